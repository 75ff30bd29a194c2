"""The addresses of all WebSockets."""

from typing import Any

from django.urls import URLPattern, path, re_path

from adit.core.pages.consumers import (
    HomeConsumer,
    JobConsumer,
    JobListConsumer,
    NowhereConsumer,
)
from adit.selective_transfer.consumers import SelectiveTransferConsumer
from adit.selective_transfer.preview.consumer import PreviewConsumer


def _socket(route: str, consumer: Any) -> URLPattern:
    """A route to a consumer: Django's `path` takes an ASGI application as it takes a view."""
    return path(route, consumer.as_asgi())


_nowhere: Any = NowhereConsumer.as_asgi()

websocket_urlpatterns = [
    _socket("ws/jobs/", HomeConsumer),
    _socket("ws/jobs/list/", JobListConsumer),
    _socket("ws/jobs/<int:job_id>/", JobConsumer),
    _socket("ws/selective-transfer/", SelectiveTransferConsumer),
    _socket("ws/selective-transfer/preview/", PreviewConsumer),
    re_path(r"", _nowhere),
]

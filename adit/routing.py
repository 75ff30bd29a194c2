"""The addresses of all WebSockets."""

from django.urls import path

from adit.core.pages.consumers import JobConsumer, JobListConsumer
from adit.selective_transfer.consumers import SelectiveTransferConsumer

websocket_urlpatterns = [
    path("ws/jobs/", JobListConsumer.as_asgi()),
    path("ws/jobs/<int:job_id>/", JobConsumer.as_asgi()),
    path("ws/selective-transfer/", SelectiveTransferConsumer.as_asgi()),
]

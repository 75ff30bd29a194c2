"""The worker processes: a Procrastinate worker and, beside it, the sweep."""

from __future__ import annotations

import asyncio
import contextlib

from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

from adit.core.jobs.queue import DICOM_QUEUE
from adit.core.jobs.runner import warm_up
from adit.core.jobs.sweep import sweep_forever

# How long running tasks may go on after SIGTERM before they are handed back.
GRACE_SECONDS = 10.0


def run_worker(queue: str, concurrency: int) -> None:
    """Work on one queue until SIGTERM or SIGINT."""
    connector = app.connector
    assert isinstance(connector, DjangoConnector)
    if queue == DICOM_QUEUE:
        warm_up()
    with app.replace_connector(connector.get_worker_connector()):
        asyncio.run(_run(queue, concurrency))


async def _run(queue: str, concurrency: int) -> None:
    sweeping = asyncio.create_task(sweep_forever())
    try:
        async with app.open_async():
            await app.run_worker_async(
                queues=[queue],
                concurrency=concurrency,
                name=queue,
                shutdown_graceful_timeout=GRACE_SECONDS,
                delete_jobs="successful",
            )
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping

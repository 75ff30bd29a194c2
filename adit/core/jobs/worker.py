"""The worker processes: a Procrastinate worker and, beside it, the sweep."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

from django.conf import settings
from django.db import Error as DatabaseError
from procrastinate.contrib.django import app
from procrastinate.contrib.django.db_cleanup import close_db_connections
from procrastinate.exceptions import ConnectorException

from adit.core.jobs.child_pool import ChildPool, warm_up
from adit.core.jobs.connections import keep_connections, worker_connector
from adit.core.jobs.database_threads import DatabaseThreads
from adit.core.jobs.queue import DICOM_QUEUE
from adit.core.jobs.revocations import listen_forever
from adit.core.jobs.runner import settle, use_pool, worker_name
from adit.core.jobs.sweep import sweep_forever
from adit.core.jobs.worker_slots import sign_off, sign_on

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0
_PRESENT_SECONDS = 5.0


def run_worker(queue: str, concurrency: int) -> None:
    """Work on one queue until SIGTERM or SIGINT.

    Then nothing new is begun; what runs may end within `WORKER_GRACE_SECONDS`, and what has not
    ended then is handed back.
    """
    keep_connections()
    if queue == DICOM_QUEUE:
        warm_up()
    with app.replace_connector(worker_connector()):
        asyncio.run(_run(queue, concurrency))


async def _run(queue: str, concurrency: int) -> None:
    beside = [asyncio.create_task(sweep_forever())]
    leaving = asyncio.Event()
    presence: asyncio.Task[None] | None = None
    pool = ChildPool(concurrency + 1 if queue == DICOM_QUEUE else 0)
    if queue == DICOM_QUEUE:
        beside.append(asyncio.create_task(listen_forever()))
        presence = asyncio.create_task(_be_present(concurrency, leaving))
        use_pool(pool)
        pool.fill()
    working = asyncio.create_task(_work_until_told_to_stop(queue, concurrency))

    def stop() -> None:
        leaving.set()
        working.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await working
    finally:
        leaving.set()
        await settle()
        if presence is not None:
            await asyncio.wait({presence}, timeout=_PRESENT_SECONDS)
        for task in beside:
            task.cancel()
        for task in beside:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await pool.close()


async def _be_present(slots: int, leaving: asyncio.Event) -> None:
    """Say that this worker takes tasks, and, however long those that run go on, at once when it
    takes no more."""
    threads = DatabaseThreads(1, "presence")
    while not leaving.is_set():
        with contextlib.suppress(DatabaseError):
            await threads.call(sign_on, worker_name(), slots)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(leaving.wait(), _PRESENT_SECONDS)
    with contextlib.suppress(DatabaseError):
        await threads.call(sign_off, worker_name())


async def _work_until_told_to_stop(queue: str, concurrency: int) -> None:
    """Run Procrastinate's worker, which ends when it cannot reach the database, again and again."""
    while True:
        try:
            async with app.open_async():
                await app.run_worker_async(
                    queues=[queue],
                    concurrency=concurrency,
                    name=queue,
                    shutdown_graceful_timeout=settings.WORKER_GRACE_SECONDS,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    # What runs here as a coroutine speaks with the database in threads of its own.
                    task_middleware=[close_db_connections],
                )
            logger.warning("The queue's worker has ended and starts again")
        except ConnectorException:
            logger.warning("The queue's worker cannot reach the database and starts again")
        await asyncio.sleep(_PAUSE_SECONDS)

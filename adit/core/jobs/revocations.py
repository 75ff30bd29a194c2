"""Tells the runs of this worker at once when somebody cancels or kills their task.

Only a shortcut: a run that hears nothing learns it with its next heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

import psycopg
from django.db import connection as django_connection

from adit.core.jobs.connections import QuietConnection
from adit.core.jobs.notify import RUN_CHANNEL

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0

_runs: dict[int, Callable[[], None]] = {}


@contextlib.contextmanager
def heard(task_id: int, react: Callable[[], None]) -> Iterator[None]:
    """Call `react` when something happens to the task while the block runs."""
    _runs[task_id] = react
    try:
        yield
    finally:
        if _runs.get(task_id) is react:
            del _runs[task_id]


async def listen_forever() -> None:
    """Pass on notifications until canceled; a database that is away is waited for."""
    parameters = {
        key: value
        for key, value in django_connection.get_connection_params().items()
        if key not in ("cursor_factory", "context", "prepare_threshold")
    }
    while True:
        try:
            async with await QuietConnection.connect(**parameters, autocommit=True) as connection:
                await connection.execute(f"LISTEN {RUN_CHANNEL}")
                # Whatever came while nobody listened.
                for react in _runs.values():
                    react()
                async for notification in connection.notifies():
                    if react := _runs.get(int(notification.payload)):
                        react()
        except psycopg.Error as err:
            logger.warning("Notifications: the database is not reachable (%s)", type(err).__name__)
        await asyncio.sleep(_PAUSE_SECONDS)

"""From PostgreSQL's notifications to the WebSockets of this process.

One connection per process listens. What it hears goes through the in-memory channel layer to the
consumers, which render. After a lost connection every watched page is rendered anew, for nobody
knows what was missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from weakref import WeakKeyDictionary

import psycopg
from channels.layers import get_channel_layer
from django.db import connections
from psycopg import sql

from adit.core.jobs.notify import JOB_CHANNEL

logger = logging.getLogger(__name__)

# Who watches the list of jobs, and everybody who watches anything.
ALL_JOBS_GROUP = "jobs"
EVERYBODY_GROUP = "live"
# Notifications that come within this time are passed on together.
GATHER_SECONDS = 0.1
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0


def job_group(job_id: int) -> str:
    """The channel layer's group of those who watch one job."""
    return f"job.{job_id}"


class JobListener:
    """Listens on `JOB_CHANNEL` and tells the groups which jobs changed."""

    def __init__(self) -> None:
        self._changed: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    def start(self) -> None:
        """Start to listen, unless that runs already."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="job-listener")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                async with await _connect() as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(_channel()))
                    self.listening.set()
                    wait = FIRST_WAIT
                    await _tell(EVERYBODY_GROUP, {"type": "jobs.missed"})
                    await self._listen(connection)
            except (psycopg.Error, OSError) as err:
                logger.warning("Listening for jobs: %s; again in %s s", type(err).__name__, wait)
            finally:
                self.listening.clear()
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        flush: asyncio.Task[None] | None = None
        async for notification in connection.notifies():
            if not notification.payload.isdecimal():
                continue
            self._changed.add(int(notification.payload))
            if flush is None or flush.done():
                flush = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        changed, self._changed = self._changed, set()
        for job_id in changed:
            await _tell(job_group(job_id), {"type": "jobs.changed", "jobs": [job_id]})
        await _tell(ALL_JOBS_GROUP, {"type": "jobs.changed", "jobs": sorted(changed)})


def _channel() -> sql.Identifier:
    return sql.Identifier(JOB_CHANNEL)


async def _connect() -> psycopg.AsyncConnection:
    database = connections["default"].settings_dict
    return await psycopg.AsyncConnection.connect(
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        dbname=database["NAME"],
        user=database["USER"] or None,
        password=database["PASSWORD"] or None,
        autocommit=True,
        application_name="adit live",
    )


async def _tell(group: str, message: dict[str, object]) -> None:
    layer = get_channel_layer()
    assert layer is not None, "CHANNEL_LAYERS has a default layer"
    await layer.group_send(group, message)


_listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, JobListener] = WeakKeyDictionary()


def job_listener() -> JobListener:
    """The listener of the running event loop, of which a web process has one."""
    return _listeners.setdefault(asyncio.get_running_loop(), JobListener())

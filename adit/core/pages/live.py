"""From PostgreSQL's notifications to the WebSockets of this process.

One connection per process listens. What it hears goes to the feeds, which read anew what somebody
watches. After a lost connection all of them do, for nobody knows what was missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from weakref import WeakKeyDictionary

import psycopg
from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.db import connections
from psycopg import sql

from adit.core.jobs.connections import QuietConnection
from adit.core.jobs.notices import notice_about_workers
from adit.core.jobs.notify import ALL_JOBS, JOB_CHANNEL
from adit.core.models import DicomJob
from adit.core.pages.feeds import all_feeds

logger = logging.getLogger(__name__)

# Notifications that come within this time are passed on together.
GATHER_SECONDS = 0.1
# So often it is looked whether workers are busy, which jobs of others change: one look for all.
WORKERS_SECONDS = 5.0
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
# Of so many jobs the owners are remembered; they never change.
OWNERS_KEPT = 100_000


class JobListener:
    """Listens on `JOB_CHANNEL` and tells the feeds which jobs changed."""

    def __init__(self) -> None:
        self._changed: set[int] = set()
        self._owners: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    def start(self) -> None:
        """Start to listen, unless that runs already."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="job-listener")
        if self._looking is None or self._looking.done():
            looking = self._look_at_workers()
            self._looking = asyncio.get_running_loop().create_task(looking, name="workers")

    async def stop(self) -> None:
        for task in (self._task, self._looking):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._task = self._looking = None

    async def _look_at_workers(self) -> None:
        """Have the pages read anew when what is told of the workers has changed."""
        told: str | None = None
        while True:
            if len(all_feeds()):
                try:
                    now = await database_sync_to_async(notice_about_workers)()
                except DatabaseError:
                    logger.warning("The slots of workers cannot be read")
                else:
                    if now != told:
                        all_feeds().all_changed()
                    told = now
            await asyncio.sleep(WORKERS_SECONDS)

    async def _run(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                async with await _connect() as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(_channel()))
                    self.listening.set()
                    wait = FIRST_WAIT
                    all_feeds().all_changed()
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
            if notification.payload == ALL_JOBS:
                all_feeds().all_changed()
                continue
            if not notification.payload.isdecimal():
                continue
            self._changed.add(int(notification.payload))
            if flush is None or flush.done():
                flush = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        changed, self._changed = self._changed, set()
        if not len(all_feeds()):
            return
        unknown = changed - self._owners.keys()
        if unknown:
            try:
                await self._learn_owners(unknown)
            except DatabaseError:
                # An owner who is not known may be anybody.
                logger.warning("The owners of changed jobs cannot be read")
        all_feeds().jobs_changed({job_id: self._owners.get(job_id) for job_id in changed})

    async def _learn_owners(self, job_ids: set[int]) -> None:
        if len(self._owners) > OWNERS_KEPT:
            self._owners.clear()
        self._owners |= await database_sync_to_async(_owners_of)(job_ids)


def _owners_of(job_ids: set[int]) -> dict[int, int]:
    return dict(DicomJob.objects.filter(pk__in=job_ids).values_list("pk", "owner_id"))


def _channel() -> sql.Identifier:
    return sql.Identifier(JOB_CHANNEL)


async def _connect() -> psycopg.AsyncConnection:
    database = connections["default"].settings_dict
    return await QuietConnection.connect(
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        dbname=database["NAME"],
        user=database["USER"] or None,
        password=database["PASSWORD"] or None,
        autocommit=True,
        application_name="adit live",
        # A connection that died without a word is noticed within half a minute.
        keepalives_idle=15,
        keepalives_interval=5,
        keepalives_count=3,
    )


_listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, JobListener] = WeakKeyDictionary()


def job_listener() -> JobListener:
    """The listener of the running event loop, of which a web process has one."""
    return _listeners.setdefault(asyncio.get_running_loop(), JobListener())

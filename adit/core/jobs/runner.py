"""The worker's side of a run: claim, child process, heartbeat, conclusion."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket

from django.conf import settings
from django.db import Error as DatabaseError

from adit.core.jobs import disk, leases, revocations
from adit.core.jobs.child import Outcome
from adit.core.jobs.child_pool import Child, ChildPool
from adit.core.jobs.conclusion import conclude
from adit.core.jobs.database_threads import DatabaseThreads
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.heartbeats import Heart, Pulse
from adit.core.jobs.leases import Beat, Lease, LeaseStatus, Released
from adit.core.jobs.policy import TimeLimits, overdue
from adit.core.jobs.states import any_stale, derive_stale

logger = logging.getLogger(__name__)

# How long a child may take to stop after it was told to, before it is killed.
CANCEL_GRACE_SECONDS = 5.0

# Generous: only a run that moves less than 1 MB and one instance in 10 seconds comes near it.
_TOTAL = {"base": 3600.0, "per_instance": 10.0, "per_megabyte": 1.0}

_pool = ChildPool(0)


def use_pool(pool: ChildPool) -> None:
    """Take the children of this process from `pool`."""
    global _pool
    _pool = pool


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


# Claims and ends of several runs at once, and the dispatcher.
_database = DatabaseThreads(3)
_heart = Heart()


class TaskRunner:
    """Runs one task in a child process of its own, and writes down how it ended."""

    def __init__(self, task_id: int) -> None:
        self._task_id = task_id

    async def run(self) -> None:
        if not await asyncio.to_thread(disk.has_room):
            await self._wait_for_room()
            return
        lease = await _database.call(leases.claim, self._task_id, worker_name())
        if lease is None:
            return
        # The lease is kept until the end is written down, be the database away meanwhile.
        with _heart.keeps(lease) as pulse:
            released = await self._conclude(lease, pulse, await self._work(lease, pulse))
        await _dispatching.before_the_next(released is not None and released.was_full)

    async def _work(self, lease: Lease, pulse: Pulse) -> Outcome:
        """Have a child work on the task; returns how that ended."""
        child: Child | None = None
        outcome: Outcome | None = None
        try:
            child = await _pool.take()
            child.give(lease)
            outcome = await self._watch(lease, pulse, child)
        except asyncio.CancelledError:
            if child is not None:
                await child.end()
                child.goes_on = False
            await asyncio.shield(_database.call(leases.hand_back, lease))
            raise
        except OSError:
            # The child died before it got its task, or could not be started.
            logger.exception("No process for task %s", lease.task_id)
            outcome = Outcome("no_process", "Its process could not be started.")
        finally:
            if child is not None:
                if not child.done:
                    await child.end()
                _pool.give_back(child)
        if outcome is None:
            assert child is not None
            outcome = Outcome("crashed", f"Its process {child.ending}.")
        return outcome

    async def _wait_for_room(self) -> None:
        """Leave the task to others for a while; without haste, for all that wait come by."""
        logger.warning("Below the reserve of the disk: task %s waits", self._task_id)
        await asyncio.sleep(2)
        reason = disk.reason(socket.gethostname())
        await _database.call(leases.postpone, self._task_id, disk.WAIT_SECONDS, reason)
        _dispatching.request()

    async def _watch(self, lease: Lease, pulse: Pulse, child: Child) -> Outcome | None:
        """Keep the lease until the outcome is there; None where the process died without one."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()
        loop.add_reader(child.pipe.fileno(), _arrive, loop, child, arrived)
        watch = _Stopwatch(loop.time())
        canceled_at: float | None = None
        try:
            with revocations.heard(lease.task_id, _heart.beat_now):
                while True:
                    await _first(arrived, pulse.came)
                    if arrived.done():
                        return await child.outcome()
                    beat = pulse.look()
                    if beat is None:
                        continue
                    if beat.status is LeaseStatus.LOST:
                        return Outcome("lost")
                    if beat.status is LeaseStatus.CANCEL:
                        if canceled_at is None:
                            canceled_at = loop.time()
                            child.pipe.send("cancel")
                        elif loop.time() - canceled_at > CANCEL_GRACE_SECONDS:
                            return Outcome("canceled", "Canceled.")
                    elif why := watch.overdue(beat, loop.time()):
                        return Outcome("transient", why, "FAILURE")
        finally:
            loop.remove_reader(child.pipe.fileno())

    async def _conclude(self, lease: Lease, pulse: Pulse, outcome: Outcome) -> Released | None:
        for wait in itertools.chain((0.5, 1, 2), itertools.repeat(4)):
            pulse.look()
            try:
                released = await _database.call(conclude, lease, outcome)
                _counting.request()
                return released
            except DatabaseError:
                logger.warning("End of task %s: the database is not reachable", lease.task_id)
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")


class _Dispatching:
    """Dispatches after ends of runs, once for all that ended while it was under way.

    Where ends follow each other fast, it lets some come together. Otherwise a worker takes
    nothing more before that: what the slot of a server is for that has become free may come before
    all that is in the queue already.
    """

    PAUSE_SECONDS = 0.1
    # A worker waits no longer for a dispatcher that is held up.
    MOST_SECONDS = 5.0

    def __init__(self) -> None:
        self._requested = False
        self._last = 0.0
        self._running: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    async def before_the_next(self, was_full: bool) -> None:
        """After the end of a run, before its worker takes what comes next.

        Args:
            was_full: whether the server of the run had no other slot that is given away.
        """
        loop = asyncio.get_running_loop()
        if not was_full and loop.time() < self._last + self.PAUSE_SECONDS:
            self.request()
            return
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append(done)
        self._hurry.set()
        self.request()
        await asyncio.wait({done}, timeout=self.MOST_SECONDS)

    def request(self) -> None:
        self._requested = True
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._requested:
            pause = self._last + self.PAUSE_SECONDS - loop.time()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), max(0.0, pause))
            self._hurry.clear()
            self._requested = False
            waiting, self._waiting = self._waiting, []
            try:
                await _database.call(dispatch)
            except DatabaseError:
                # The next sweep does it.
                logger.warning("Dispatch: the database is not reachable")
            except Exception:
                logger.exception("Dispatch")
            finally:
                self._last = loop.time()
                for done in waiting:
                    if not done.done():
                        done.set_result(None)

    async def settle(self) -> None:
        """Wait for what is under way."""
        if self._running is not None:
            await asyncio.wait({self._running})


_dispatching = _Dispatching()


class _Counting:
    """Brings the messages of large jobs up to date a second after an end that did not."""

    PAUSE_SECONDS = 1.0

    def __init__(self) -> None:
        self._running: asyncio.Task[None] | None = None

    def request(self) -> None:
        if any_stale() and (self._running is None or self._running.done()):
            self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while any_stale():
            await asyncio.sleep(self.PAUSE_SECONDS)
            await self._count()

    async def _count(self) -> None:
        # What fails is left to the next time, or to the next sweep.
        with contextlib.suppress(DatabaseError):
            await _database.call(derive_stale)

    async def settle(self) -> None:
        """Do at once what is left: no other process knows of it."""
        if self._running is not None:
            self._running.cancel()
        if any_stale():
            await self._count()


_counting = _Counting()


async def settle() -> None:
    """Wait until what follows from the ends of runs is done."""
    await _dispatching.settle()
    await _counting.settle()


def _arrive(loop: asyncio.AbstractEventLoop, child: Child, arrived: asyncio.Future[None]) -> None:
    loop.remove_reader(child.pipe.fileno())
    arrived.set_result(None)


async def _first(arrived: asyncio.Future[None], came: asyncio.Event) -> None:
    """Wait for the one or the other."""
    coming = asyncio.ensure_future(came.wait())
    try:
        await asyncio.wait({arrived, coming}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        coming.cancel()


class _Stopwatch:
    """How long a run takes, and how long it has not got on."""

    def __init__(self, now: float) -> None:
        self._begin = self._progress = now
        self._work: tuple[object, ...] = ()
        self._limits = TimeLimits(without_progress=settings.TASK_PROGRESS_SECONDS, **_TOTAL)

    def overdue(self, beat: Beat, now: float) -> str:
        """Why the run is to be ended; empty where it may go on."""
        if beat.work != self._work:
            self._work, self._progress = beat.work, now
        return overdue(
            self._limits, now - self._begin, now - self._progress, beat.instances, beat.size
        )

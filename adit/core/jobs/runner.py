"""The worker's side of a run: claim, child process, heartbeat, conclusion."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.utils import timezone

from adit.core.jobs import child, leases
from adit.core.jobs.child import Outcome
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.leases import Lease, LeaseStatus
from adit.core.jobs.policy import Retry, decide_after_crash, decide_retry
from adit.core.models import DicomTask

logger = logging.getLogger(__name__)

# How long a child may take to stop after it was told to, before it is killed.
CANCEL_GRACE_SECONDS = 5.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["adit.core.jobs.preload"])


def warm_up() -> None:
    """Start the fork server, so that the first task does not wait for the code to be loaded."""
    forkserver.ensure_running()


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


async def _in_database(function: Callable[..., Any], *args: Any) -> Any:
    """Run `function` in the database thread, with a connection that was checked before."""

    def call() -> Any:
        close_old_connections()
        return function(*args)

    return await sync_to_async(call)()


class TaskRunner:
    """Runs one task in a child process of its own, and writes down how it ended."""

    def __init__(self, task_id: int) -> None:
        self._task_id = task_id

    async def run(self) -> None:
        lease = await _in_database(leases.claim, self._task_id, worker_name())
        if lease is None:
            return
        parent_end, child_end = _context.Pipe()
        process = _context.Process(target=child.main, args=(lease, child_end), daemon=True)
        # Starting takes seconds where the fork server is still loading the code.
        starting = asyncio.create_task(asyncio.to_thread(process.start))
        starting.add_done_callback(lambda _: child_end.close())
        try:
            outcome = await self._watch(lease, starting, parent_end)
        except asyncio.CancelledError:
            await _stop(process, starting)
            await asyncio.shield(_in_database(leases.hand_back, lease))
            raise
        finally:
            await _stop(process, starting)
            parent_end.close()
        await self._conclude(lease, outcome)

    async def _watch(
        self, lease: Lease, starting: asyncio.Task[None], pipe: Connection
    ) -> Outcome | None:
        """Keep the lease until the outcome is there; None where the process died without one."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()
        loop.add_reader(pipe.fileno(), lambda: arrived.done() or arrived.set_result(None))
        beat = min(settings.TASK_LEASE_SECONDS / 6, 2.0)
        canceled_at: float | None = None
        try:
            while True:
                await asyncio.wait({arrived if starting.done() else starting}, timeout=beat)
                if starting.done() and arrived.done():
                    try:
                        return await asyncio.to_thread(pipe.recv)
                    except (EOFError, OSError):
                        return None
                status = await self._heartbeat(lease)
                if status is LeaseStatus.LOST:
                    return Outcome("lost")
                if status is LeaseStatus.CANCEL and starting.done():
                    if canceled_at is None:
                        canceled_at = loop.time()
                        pipe.send("cancel")
                    elif loop.time() - canceled_at > CANCEL_GRACE_SECONDS:
                        return Outcome("canceled", "Canceled.")
        finally:
            loop.remove_reader(pipe.fileno())

    async def _heartbeat(self, lease: Lease) -> LeaseStatus:
        try:
            return await _in_database(leases.renew, lease)
        except DatabaseError:
            # Without a database the child cannot write either; whether the lease still holds is
            # seen as soon as the database is back.
            logger.warning("Heartbeat of task %s: the database is not reachable", lease.task_id)
            return LeaseStatus.HELD

    async def _conclude(self, lease: Lease, outcome: Outcome | None) -> None:
        for wait in (0.5, 1, 2, 4, 8, 0):
            try:
                await _in_database(conclude, lease, outcome)
                await _in_database(dispatch)
                return
            except DatabaseError:
                logger.warning("End of task %s: the database is not reachable", lease.task_id)
                await asyncio.sleep(wait)


def conclude(lease: Lease, outcome: Outcome | None) -> None:
    """Write the outcome of a run: end the task, or let it wait for another attempt."""
    state = DicomTask.State
    if outcome is None:
        crashes = leases.count_crash(lease)
        decision = decide_after_crash(crashes, settings.TASK_MAX_CRASHES, timezone.now())
        if isinstance(decision, Retry):
            leases.wait_and_retry(lease, decision.not_before, "The process died. It starts anew.")
        else:
            leases.finish(lease, state.FAILURE, f"Given up: {decision.reason}.")
    elif outcome.kind == "interrupted":
        leases.hand_back(lease, f"{outcome.message} It starts anew.")
    elif outcome.kind == "done":
        leases.finish(lease, outcome.state, outcome.message, outcome.log)
    elif outcome.kind == "canceled":
        leases.finish(lease, state.CANCELED, outcome.message, outcome.log)
    elif outcome.kind == "permanent":
        leases.finish(lease, state.FAILURE, outcome.message, outcome.log)
    elif outcome.kind == "transient":
        # A start after a crash is no attempt of its own: crashes have a limit of their own.
        crashes = DicomTask.objects.values_list("crashes", flat=True).get(pk=lease.task_id)
        decision = decide_retry(
            max(1, lease.attempt - crashes),
            settings.TASK_ATTEMPTS,
            settings.TASK_RETRY_WAITS,
            timezone.now(),
        )
        if isinstance(decision, Retry):
            leases.wait_and_retry(lease, decision.not_before, outcome.message, outcome.log)
        else:
            message = f"{outcome.message} ({decision.reason})"
            leases.finish(lease, outcome.state, message, outcome.log)
    else:
        assert outcome.kind == "lost", outcome.kind


async def _stop(process: Any, starting: asyncio.Task[None]) -> None:
    """Make sure that the child is gone."""
    await asyncio.wait({starting})
    if starting.exception() is not None:
        return
    if process.is_alive():
        process.terminate()
        await asyncio.to_thread(process.join, 1.0)
        if process.is_alive():
            process.kill()
    await asyncio.to_thread(process.join)

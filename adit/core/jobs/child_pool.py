"""Child processes that are ready for a task before it comes.

Each works on one task at a time, and ends after some or as soon as one did not end in good order
(`child.main`). They start from a fork server that has no threads, so nothing is
ever forked from the worker itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
from collections import deque
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from adit.core.jobs import child
from adit.core.jobs.leases import Lease

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["adit.core.jobs.preload"])

# How long a child may take to end after SIGTERM, before it is killed.
_END_SECONDS = 1.0
_AT_ONCE = 2

logger = logging.getLogger(__name__)


def warm_up() -> None:
    """Start the fork server, so that the first task does not wait for the code to be loaded."""
    forkserver.ensure_running()


@dataclass
class Child:
    """A process and the worker's end of its pipe.

    Attributes:
        done: whether it has told its outcome, so has nothing to do.
        goes_on: whether it waits for another task then.
    """

    process: Any
    pipe: Connection
    done: bool = False
    goes_on: bool = False

    def give(self, lease: Lease) -> None:
        """Give it a task.

        Raises:
            OSError: it is gone.
        """
        self.done = self.goes_on = False
        self.pipe.send(lease)

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        code = self.process.exitcode
        return f"was ended by signal {-code}" if code is not None and code < 0 else "died"

    async def outcome(self) -> Any:
        """What the child has sent, once the pipe is readable; None where it died instead."""
        try:
            outcome = self.pipe.recv()
            self.done, self.goes_on = True, outcome.goes_on
            return outcome
        except (EOFError, OSError):
            await _gone(self.process, _END_SECONDS)
            return None

    async def end(self) -> None:
        """Make sure that the process is gone."""
        with contextlib.suppress(OSError):
            self.pipe.close()
        if self.process.is_alive():
            self.process.terminate()
            if not await _gone(self.process, _END_SECONDS):
                self.process.kill()
                await _gone(self.process, 60)
        self.process.join(0)


async def _gone(process: Any, seconds: float) -> bool:
    """Wait for the end of a process, without a thread."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(process.sentinel)
    return True


def _start() -> Child:
    parent_end, child_end = _context.Pipe()
    process = _context.Process(target=child.main, args=(child_end,), daemon=True)
    try:
        # Takes seconds where the fork server is still loading the code.
        process.start()
    except BaseException:
        parent_end.close()
        raise
    finally:
        child_end.close()
    return Child(process, parent_end)


class ChildPool:
    """Keeps some children ready.

    Args:
        size: so many, with those that work; one more than tasks at once lets no task wait where a
            child has ended.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: deque[Child] = deque()
        self._working = 0
        self._filling: asyncio.Task[None] | None = None
        self._closed = False
        self._ending: set[asyncio.Task[None]] = set()

    async def take(self) -> Child:
        """A child that waits for its lease; `give_back` takes it, whatever becomes of it.

        Raises:
            OSError: none can be started.
        """
        while self._ready:
            ready = self._ready.popleft()
            if ready.process.is_alive():
                self._working += 1
                return ready
            await ready.end()
        started = await asyncio.to_thread(_start)
        self._working += 1
        return started

    def give_back(self, child: Child) -> None:
        """Keep a child that has done its work for another task, or see to its end."""
        self._working -= 1
        if child.goes_on and not self._closed and len(self._ready) + self._working < self._size:
            self._ready.appendleft(child)
        else:
            ending = asyncio.create_task(child.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        self.fill()

    def fill(self) -> None:
        """Start what is missing, in the background."""
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        while (missing := self._size - len(self._ready) - self._working) > 0 and not self._closed:
            starting = [asyncio.to_thread(_start) for _ in range(min(missing, _AT_ONCE))]
            for started in await asyncio.gather(*starting, return_exceptions=True):
                if isinstance(started, Child):
                    self._ready.append(started)
                else:
                    logger.error("A process cannot be started: %s", started)
                    await asyncio.sleep(1)

    async def close(self) -> None:
        """End all."""
        self._closed = True
        if self._filling is not None:
            with contextlib.suppress(Exception):
                await self._filling
        while self._ready:
            await self._ready.popleft().end()
        if self._ending:
            await asyncio.wait(self._ending)

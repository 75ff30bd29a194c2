"""Child processes that are ready for a task before it comes.

Each works on one task and ends. They start from a fork server that has no threads, so nothing is
ever forked from the worker itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections import deque
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from adit.core.jobs import child

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["adit.core.jobs.preload"])

# How long a child may take to end after SIGTERM, before it is killed.
_END_SECONDS = 1.0


def warm_up() -> None:
    """Start the fork server, so that the first task does not wait for the code to be loaded."""
    forkserver.ensure_running()


@dataclass(frozen=True)
class Child:
    """A process and the worker's end of its pipe."""

    process: Any
    pipe: Connection

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        code = self.process.exitcode
        return f"was ended by signal {-code}" if code is not None and code < 0 else "died"

    async def end(self) -> None:
        """Make sure that the process is gone."""
        with contextlib.suppress(OSError):
            self.pipe.close()
        if self.process.is_alive():
            self.process.terminate()
            await asyncio.to_thread(self.process.join, _END_SECONDS)
            if self.process.is_alive():
                self.process.kill()
        await asyncio.to_thread(self.process.join)


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
        size: so many, besides those that work.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: deque[Child] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._closed = False

    async def take(self) -> Child:
        """A child that waits for its lease."""
        while self._ready:
            ready = self._ready.popleft()
            self.fill()
            if ready.process.is_alive():
                return ready
            await ready.end()
        self.fill()
        return await asyncio.to_thread(_start)

    def fill(self) -> None:
        """Start what is missing, in the background."""
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        while len(self._ready) < self._size and not self._closed:
            self._ready.append(await asyncio.to_thread(_start))

    async def close(self) -> None:
        """End all that are ready."""
        self._closed = True
        if self._filling is not None:
            with contextlib.suppress(Exception):
                await self._filling
        while self._ready:
            await self._ready.popleft().end()

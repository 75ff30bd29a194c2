"""The threads in which a worker speaks with the database, beside its event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections, connection

T = TypeVar("T")

# A connection that was used just now is not asked whether it still works before the next use.
_FRESH_SECONDS = 1.0


class DatabaseThreads:
    """Some threads, each with a connection of its own.

    A call that waits for a lock holds up only its own thread.
    """

    def __init__(self, number: int, name: str = "database") -> None:
        self._executor = ThreadPoolExecutor(number, name)
        self._local = threading.local()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run `function` in one of the threads, with a connection that works."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._call, function, *args)

    def _call(self, function: Callable[..., T], *args: Any) -> T:
        used = getattr(self._local, "used", 0.0)
        if connection.errors_occurred or time.monotonic() - used > _FRESH_SECONDS:
            close_old_connections()
        try:
            return function(*args)
        finally:
            self._local.used = time.monotonic()

"""Cancelling what is under way, without a thread that polls."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)


class Canceled(Exception):
    """The work was canceled by its owner. Neither a success nor a failure of the peer."""


class CancelToken:
    """Handed to everything that may take long; loops check it, blocking calls register a callback.

    `cancel` may be called from any thread, any number of times. A callback unblocks what is
    blocked (it shuts a socket down, it wakes a queue); it must be quick and must not raise.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next_key = 0

    @property
    def canceled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Sets the token and runs the callbacks that are registered now."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            self._run(callback)

    def check(self) -> None:
        """Raises Canceled if the token is set."""
        if self._event.is_set():
            raise Canceled("Canceled.")

    def wait(self, timeout: float) -> None:
        """Sleeps for `timeout` seconds, but raises Canceled at once when the token is set."""
        if self._event.wait(timeout):
            raise Canceled("Canceled.")

    @contextlib.contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Registers `callback` for the time of the block; runs it at once if already canceled."""
        with self._lock:
            canceled = self._event.is_set()
            self._next_key += 1
            key = self._next_key
            if not canceled:
                self._callbacks[key] = callback
        if canceled:
            self._run(callback)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(key, None)

    @staticmethod
    def _run(callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            logger.exception("A cancel callback failed.")

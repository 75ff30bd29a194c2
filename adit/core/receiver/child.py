"""A child process of a receiver: how it is started, told to end, and ends with its parent."""

import contextlib
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn


class Lifeline:
    """A pipe that only the parent holds open: its end tells the children that the parent died."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self.reading)
        os.close(self.writing)


class Child:
    """What a child process has in its hands."""

    def __init__(self, lifeline: Lifeline, ready: int) -> None:
        os.close(lifeline.writing)
        self._lifeline = lifeline.reading
        self._ready = ready
        self._wake_reading, self._wake_writing = os.pipe()
        os.set_blocking(self._wake_writing, False)
        self.is_stopping = False

    def request_stop(self, *_: object) -> None:
        """Let `wait` return True; safe in a signal handler."""
        self.is_stopping = True
        os.write(self._wake_writing, b".")

    def ready(self) -> None:
        """Tell the parent that the work has begun."""
        # The parent does not wait for a child that it starts again.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._ready, b".")
        os.close(self._ready)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the child is to stop, so many seconds at most; ends with the parent."""
        if self.is_stopping:
            return True
        readable, _, _ = select.select([self._lifeline, self._wake_reading], [], [], timeout)
        if self._lifeline in readable:
            # Nothing is lost: what has been answered is durable, and the next start sweeps.
            os._exit(1)
        return self.is_stopping


def start(work: Callable[[Child], None], lifeline: Lifeline) -> tuple[int, int]:
    """Fork a child that works until it is told to end. The caller has one thread only.

    Returns:
        Its process ID, and a descriptor that is readable when it is ready (or has ended).
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    _live(work, lifeline, writing)


def _live(work: Callable[[Child], None], lifeline: Lifeline, ready: int) -> NoReturn:
    status = 1
    try:
        child = Child(lifeline, ready)
        signal.set_wakeup_fd(-1)
        # The parent passes on what it is told; a Ctrl+C reaches the children, too.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, child.request_stop)
        work(child)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

"""Keeps the leases of all runs of a worker, in a thread that does nothing else.

The event loop and the other threads may be late on a loaded machine, or wait for a lock: the leases
hold nevertheless. But a run that its own side has forgotten is not kept for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from adit.core.jobs.leases import Beat, Lease, beat_all

logger = logging.getLogger(__name__)

# A run whose event loop has not looked at it for so many seconds is given up.
_FORGOTTEN_SECONDS = 120.0


@dataclass(eq=False)
class Pulse:
    """What the heartbeats of one run have learnt.

    Attributes:
        beat: the last of them; None until there was one.
        came: set with each, and with each that failed.
    """

    lease: Lease
    loop: asyncio.AbstractEventLoop
    beat: Beat | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)
    looked_at: float = field(default_factory=time.monotonic)

    def look(self) -> Beat | None:
        """The last beat; says that somebody still looks."""
        self.looked_at = time.monotonic()
        self.came.clear()
        return self.beat


def _pause() -> float:
    return min(settings.TASK_LEASE_SECONDS / 6, 2.0)


class Heart:
    """Beats for all runs at once, every few seconds and whenever one of them is to be looked at."""

    def __init__(self) -> None:
        self._pulses: set[Pulse] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def keeps(self, lease: Lease) -> Iterator[Pulse]:
        """Keep the lease while the block runs."""
        pulse = Pulse(lease, asyncio.get_running_loop())
        with self._lock:
            self._pulses.add(pulse)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beat_forever, daemon=True)
                self._thread.start()
        try:
            yield pulse
        finally:
            with self._lock:
                self._pulses.discard(pulse)

    def beat_now(self) -> None:
        """Do not wait for the next turn: something may have happened to a run."""
        self._wake.set()

    def _beat_forever(self) -> None:
        while True:
            self._wake.wait(_pause())
            self._wake.clear()
            self._beat()

    def _beat(self) -> None:
        now = time.monotonic()
        with self._lock:
            pulses = [p for p in self._pulses if now - p.looked_at < _FORGOTTEN_SECONDS]
        if not pulses:
            return
        try:
            close_old_connections()
            beats = beat_all([pulse.lease for pulse in pulses])
        except DatabaseError:
            # Without a database the children cannot write either; whether the leases still hold
            # is seen as soon as it is back.
            logger.warning("Heartbeat: the database is not reachable")
            with contextlib.suppress(DatabaseError):
                connection.close()
            beats = {}
        for pulse in pulses:
            # Runs look also while there is no news: they are not forgotten, however long the
            # database is away, and their time-outs count.
            pulse.beat = beats.get(pulse.lease.token, pulse.beat)
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                pulse.loop.call_soon_threadsafe(pulse.came.set)

"""Counting the associations of all processes of a receiver."""

import fcntl
import mmap
import struct
import tempfile
import threading

_COUNT = struct.Struct("=Q")


class AssociationCounter:
    """A limit on what several processes have open together.

    Made before they are forked: the numbers lie in memory that they share, one for each process,
    so that the associations of one that died can be forgotten.
    """

    def __init__(self, processes: int, limit: int) -> None:
        self.limit = limit
        self._counts = mmap.mmap(-1, processes * _COUNT.size)
        self._processes = processes
        # Locks of this kind belong to a process and end with it, so a death leaves none behind.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the receiver lives
        self._lock = threading.Lock()

    def enter(self, slot: int) -> bool:
        """Count one more association of a process; False where there are too many."""
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                if self.total() >= self.limit:
                    return False
                self._set(slot, self.count(slot) + 1)
                return True
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def leave(self, slot: int) -> None:
        """Count one association less."""
        with self._lock:
            self._set(slot, max(0, self.count(slot) - 1))

    def forget(self, slot: int) -> None:
        """Forget the associations of a process that has ended."""
        self._set(slot, 0)

    def count(self, slot: int) -> int:
        """How many associations a process has."""
        return _COUNT.unpack_from(self._counts, slot * _COUNT.size)[0]

    def total(self) -> int:
        """How many associations all processes have."""
        return sum(self.count(slot) for slot in range(self._processes))

    def _set(self, slot: int, count: int) -> None:
        _COUNT.pack_into(self._counts, slot * _COUNT.size, count)

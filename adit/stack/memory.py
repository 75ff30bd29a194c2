"""How much memory processes take at most, seen from outside."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

_INTERVAL = 0.05


class PeakMemory:
    """Watches all that a process starts, while the context is open.

    Attributes:
        peak: the most resident memory that any single one of them ever had, in bytes (Linux).
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._parent = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL):
            try:
                children = self._parent.children(recursive=True)
            except psutil.NoSuchProcess:
                return
            for child in children:
                self.peak = max(self.peak, high_water(child.pid))


def high_water(pid: int) -> int:
    """The peak of a process's resident memory in bytes; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines.get("VmHWM", "0 kB").split()[0]) * 1024

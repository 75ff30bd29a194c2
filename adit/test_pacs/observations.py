"""What a PACS double has seen, for tests and measurements."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from pydicom import Dataset


@dataclass(frozen=True, slots=True)
class SeenStore:
    """One C-STORE request that arrived."""

    sop_instance_uid: str
    calling_ae_title: str
    status: int
    at: float


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One C-FIND, C-GET or C-MOVE request that arrived."""

    operation: str
    level: str
    identifier: Dataset
    calling_ae_title: str


@dataclass(slots=True)
class Observations:
    """Counts and lists that grow while the double serves; safe to read at any time."""

    associations_open: int = 0
    associations_open_most: int = 0
    associations: int = 0
    rejected: int = 0
    canceled: int = 0
    stores: list[SeenStore] = field(default_factory=list)
    requests: list[SeenRequest] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def opened(self) -> None:
        """An association was accepted."""
        with self._lock:
            self.associations += 1
            self.associations_open += 1
            self.associations_open_most = max(self.associations_open_most, self.associations_open)

    def closed(self) -> None:
        """An accepted association is over, in whatever way."""
        with self._lock:
            self.associations_open -= 1

    def refused(self) -> None:
        """An association was rejected."""
        with self._lock:
            self.rejected += 1

    def cancel(self) -> None:
        """A C-CANCEL was obeyed."""
        with self._lock:
            self.canceled += 1

    def stored(self, sop_instance_uid: str, calling_ae_title: str, status: int) -> None:
        """A C-STORE was answered."""
        with self._lock:
            seen = SeenStore(sop_instance_uid, calling_ae_title, status, time.monotonic())
            self.stores.append(seen)

    def requested(self, operation: str, identifier: Dataset, calling_ae_title: str) -> None:
        """A query or retrieval was asked for."""
        level = str(identifier.get("QueryRetrieveLevel", ""))
        with self._lock:
            self.requests.append(SeenRequest(operation, level, identifier, calling_ae_title))

    def operations(self) -> Counter[str]:
        """How many requests of each operation arrived."""
        return Counter(request.operation for request in self.requests)

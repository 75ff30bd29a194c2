"""Associations at once with a server, counted over all workers and hosts.

Each association needs one of the server's slots: an advisory lock of PostgreSQL, held by a
connection that belongs to the run alone. When the process dies its connection ends, and with it
whatever it held; nothing has to be swept.

A run takes what it needs before it opens the first association, one slot at its source and one at
its destination, in the order of the servers' ids. Nobody ever waits for a slot of a lower server
while holding one of a higher, so no two runs wait for each other. The slots are kept to the end of
the run, for the associations that follow each other.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import psycopg
from django.db import connection

from adit.core.dicom import CancelToken, PermanentDicomError, TransientDicomError
from adit.core.models import DicomServer

# The first key of the advisory locks is this plus the server's id, the second is the slot.
_LOCK_SPACE = 0x41440000
_LIMIT = "SELECT max_associations FROM core_dicomserver WHERE dicomnode_ptr_id = %s"
_POLL_SECONDS = (0.05, 0.1, 0.2, 0.5)
# How long an association beyond those of a run's own slots is waited for.
_PATIENCE_SECONDS = 60.0
# How long somebody waits who looks at a page.
_PAGE_PATIENCE_SECONDS = 15.0


class AssociationSlots:
    """The slots of one run; `adit.core.dicom.AssociationGate` on PostgreSQL.

    Raises:
        django.db.OperationalError: from each method, where the database is away.
    """

    def __init__(self, servers: Sequence[DicomServer], cancel: CancelToken) -> None:
        """Prepare; no connection is opened yet.

        Args:
            servers: those that associations are to be opened with, a server twice where it needs
                two at once.
            cancel: ends every wait.
        """
        self._needed = Counter(server.pk for server in servers)
        self._ids = {server.name: server.pk for server in servers}
        self._cancel = cancel
        self._patience = _PATIENCE_SECONDS
        self._held: dict[int, set[int]] = {pk: set() for pk in self._needed}
        self._in_use: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None

    @classmethod
    def on_demand(cls, server_id: int, name: str, cancel: CancelToken) -> AssociationSlots:
        """The slots of a search or a preview: each association takes one for its own time only."""
        slots = cls((), cancel)
        slots._ids = {name: server_id}
        slots._held = {server_id: set()}
        slots._patience = _PAGE_PATIENCE_SECONDS
        return slots

    def __enter__(self) -> AssociationSlots:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reserve(self, on_wait: Callable[[str], None] = lambda name: None) -> None:
        """Take the slots that the run needs; calls `on_wait` with the name of a full server.

        Raises:
            PermanentDicomError: a server takes fewer associations than the run alone needs.
            Canceled: the token was set.
        """
        names = {pk: name for name, pk in self._ids.items()}
        for pk in sorted(self._needed):
            if self._limit(pk) < self._needed[pk]:
                raise PermanentDicomError(
                    f"{names[pk]} takes one association at once, but as source and destination "
                    "of the same task it needs two.",
                    code="limit",
                    advice="Raise its number of associations at once.",
                )
            if not self._take(pk, self._needed[pk]):
                on_wait(names[pk])
                self._wait(pk, self._needed[pk], None)

    @contextlib.contextmanager
    def __call__(self, server: str, cancel: CancelToken, *, wait: bool) -> Iterator[None]:
        """Use one of the run's slots for an association; take another where all are in use."""
        pk = self._ids[server]
        with self._lock:
            self._in_use[pk] += 1
            missing = self._in_use[pk] > len(self._held[pk])
        try:
            patience = self._patience if wait else 0.0
            if missing and not self._wait(pk, self._in_use[pk], patience, cancel):
                raise TransientDicomError(
                    f"All associations that {server} takes at once are in use.",
                    code="busy",
                    advice="Try again when fewer transfers run.",
                )
            yield
        finally:
            with self._lock:
                self._in_use[pk] -= 1
                self._give_back_spare(pk)

    def _give_back_spare(self, pk: int) -> None:
        """Others may need the slots beyond those that the run keeps."""
        held = self._held[pk]
        while len(held) > max(self._needed[pk], self._in_use[pk]):
            self._execute("SELECT pg_advisory_unlock(%s, %s)", _LOCK_SPACE + pk, held.pop())

    def close(self) -> None:
        """Give everything back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            for held in self._held.values():
                held.clear()

    def _wait(
        self, pk: int, number: int, patience: float | None, cancel: CancelToken | None = None
    ) -> bool:
        deadline = None if patience is None else time.monotonic() + patience
        for turn in range(1_000_000_000):
            if self._take(pk, number):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            pause = _POLL_SECONDS[min(turn, len(_POLL_SECONDS) - 1)]
            (cancel or self._cancel).wait(pause * random.uniform(0.7, 1.3))
        return False

    def _take(self, pk: int, number: int) -> bool:
        """Try to hold so many slots of the server; all that are missing, or none more."""
        with self._lock:
            held = self._held[pk]
            new: list[int] = []
            for slot in range(self._limit(pk)):
                if len(held) + len(new) >= number:
                    break
                if slot not in held and self._execute(
                    "SELECT pg_try_advisory_lock(%s, %s)", _LOCK_SPACE + pk, slot
                ):
                    new.append(slot)
            if len(held) + len(new) < number:
                for slot in new:
                    self._execute("SELECT pg_advisory_unlock(%s, %s)", _LOCK_SPACE + pk, slot)
                return False
            held.update(new)
            return True

    def _limit(self, pk: int) -> int:
        """Read each time: staff may change it."""
        return self._execute(_LIMIT, pk) or 1

    def _execute(self, statement: str, *values: int) -> int:
        with connection.wrap_database_errors:
            if self._connection is None:
                # The cursor class is Django's own; the locks belong to a session without it.
                parameters = connection.get_connection_params()
                parameters = {
                    key: value
                    for key, value in parameters.items()
                    if key not in ("cursor_factory", "context", "prepare_threshold")
                }
                self._connection = psycopg.connect(**parameters, autocommit=True)
            row = self._connection.execute(statement, values).fetchone()  # type: ignore[arg-type]
        return row[0] if row else 0

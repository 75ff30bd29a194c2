"""Counting refused associations and reports, so that the admin shows who tries in vain, and why."""

import logging
import threading
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from adit.core.models import RefusedSender

Reason = RefusedSender.Reason

# Who makes up names makes no more rows than these; the others are counted without names.
_MOST_KINDS = 200

_UPSERT = f"""
INSERT INTO {RefusedSender._meta.db_table}
    (receiver, reason, address, calling_ae_title, called_ae_title, count, first, last)
VALUES (%s, %s, %s, %s, %s, %s, now(), now())
ON CONFLICT (receiver, reason, address, calling_ae_title, called_ae_title)
DO UPDATE SET count = {RefusedSender._meta.db_table}.count + excluded.count, last = now()
""".encode()

_KINDS = f"SELECT count(*) FROM {RefusedSender._meta.db_table} WHERE receiver = %s".encode()

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who was refused, and why."""

    reason: str
    address: str
    calling_ae_title: str = ""
    called_ae_title: str = ""

    def anonymous(self) -> "Refusal":
        """The same without the names, which anybody can make up."""
        return Refusal(self.reason, "")


class Refusals:
    """What is counted and not written yet."""

    def __init__(self, receiver: str) -> None:
        self._receiver = receiver
        self._counts: dict[Refusal, int] = {}
        self._lock = threading.Lock()

    def add(self, refusal: Refusal) -> None:
        """Count one."""
        # The log names no title: it is whatever the caller chose to say.
        logger.warning("Refused: %s.", Reason(refusal.reason).label)
        with self._lock:
            if refusal not in self._counts and len(self._counts) >= _MOST_KINDS:
                refusal = refusal.anonymous()
            self._counts[refusal] = self._counts.get(refusal, 0) + 1

    def __len__(self) -> int:
        return len(self._counts)

    def write(self, connection: Connection[Any]) -> None:
        """Write the counts in one transaction; what fails is kept for the next time.

        Raises:
            psycopg.Error: They could not be written.
        """
        with self._lock:
            counts, self._counts = self._counts, {}
        try:
            with connection.transaction():
                found = connection.execute(_KINDS, [self._receiver]).fetchone()
                kinds = found[0] if found else 0
                for number, (refusal, count) in enumerate(counts.items()):
                    if kinds + number >= _MOST_KINDS:
                        refusal = refusal.anonymous()
                    titles = [refusal.calling_ae_title, refusal.called_ae_title]
                    values = [self._receiver, refusal.reason, refusal.address, *titles, count]
                    connection.execute(_UPSERT, values)
        except Exception:
            with self._lock:
                for refusal, count in counts.items():
                    self._counts[refusal] = self._counts.get(refusal, 0) + count
            raise

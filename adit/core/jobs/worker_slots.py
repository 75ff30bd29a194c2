"""How many tasks all workers together take at once, and how many of these slots are in use."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from adit.core.jobs.notify import notify_all

# Who was silent for so long is gone: several times as long as the pause between two signs of life.
_SILENT_SECONDS = 30


@dataclass(frozen=True)
class WorkerSlots:
    """Of all workers on all hosts.

    Attributes:
        total, busy: the slots, and those in use. Without any there is no worker.
        handed_over: how many tasks the next free slots are for.
    """

    total: int = 0
    busy: int = 0
    handed_over: int = 0

    @property
    def are_scarce(self) -> bool:
        """Whether tasks wait that their servers would take."""
        return 0 < self.total < self.busy + self.handed_over


_SLOTS = """
WITH alive AS (SELECT name, slots FROM core_worker
               WHERE seen > statement_timestamp() - %(silent)s * interval '1 second')
SELECT (SELECT coalesce(sum(slots), 0) FROM alive),
    (SELECT count(*) FROM core_dicomtask
     WHERE lease IS NOT NULL AND worker IN (SELECT name FROM alive))
    + (SELECT count(*) FROM core_jobarchive
       WHERE state = 'ASSEMBLING' AND worker IN (SELECT name FROM alive)),
    (SELECT count(*) FROM core_dicomtask WHERE queued IS NOT NULL AND state = 'PENDING')
"""


def worker_slots() -> WorkerSlots:
    """The slots of all workers now, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_SLOTS, {"silent": _SILENT_SECONDS})
        row = cursor.fetchone()
    assert row is not None
    return WorkerSlots(*row)


# The time is that of the database: the clocks of the hosts may differ.
_SIGN_ON = """
INSERT INTO core_worker (name, slots, seen) VALUES (%(name)s, %(slots)s, statement_timestamp())
ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, seen = excluded.seen
RETURNING xmax = 0
"""
_FORGET = """
DELETE FROM core_worker
WHERE name = %(name)s OR seen < statement_timestamp() - %(silent)s * interval '1 second'
"""


def sign_on(name: str, slots: int) -> None:
    """A worker says that it takes so many tasks at once; to be said again every few seconds."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGN_ON, {"name": name, "slots": slots})
        row = cursor.fetchone()
        if row is not None and row[0]:
            notify_all()


def sign_off(name: str) -> None:
    """A worker says that it takes no more."""
    _forget(name)


def forget_silent_workers() -> None:
    """Forget those that are gone without a word."""
    _forget("")


def _forget(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, {"name": name, "silent": _SILENT_SECONDS})
        if cursor.rowcount:
            notify_all()

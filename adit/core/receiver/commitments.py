"""Reports of storage commitment, from the receiver that got them to the worker that waits."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

from django.db import connections
from psycopg import Connection
from psycopg.types.json import Json

from adit.core.dicom import CommitmentReport, ServerConfig
from adit.core.models import ExpectedReport, ReceivedReport

from .senders import senders_of

CHANNEL = "adit_committed"
# Only a safety net: notifications announce what arrives.
_LOOK_AGAIN_SECONDS = 2.0

_TABLE = ReceivedReport._meta.db_table
_INSERT = f"""
INSERT INTO {_TABLE}
    (transaction_uid, calling_ae_title, address, receiver, committed, failed, received_at)
VALUES (%s, %s, %s, %s, %s, %s, now())
""".encode()
_NOTIFY = f"SELECT pg_notify('{CHANNEL}', %s)".encode()
_NEXT = f"""
SELECT id, committed::text, failed::text FROM {_TABLE}
WHERE transaction_uid = %s AND calling_ae_title = ANY(%s) AND address <> ALL(%s) AND id > %s
ORDER BY id LIMIT 1
""".encode()
_DELETE = f"DELETE FROM {_TABLE} WHERE transaction_uid = %s".encode()
_EXPECTED = ExpectedReport._meta.db_table
_EXPECT = f"""
INSERT INTO {_EXPECTED} (transaction_uid, ae_titles, foreign_addresses, requested_at)
VALUES (%s, %s, %s, now())
""".encode()
_FORGET = f"DELETE FROM {_EXPECTED} WHERE transaction_uid = %s".encode()
_IS_FOREIGN = f"""
SELECT EXISTS (
    SELECT FROM {_EXPECTED}
    WHERE transaction_uid = %s AND (NOT ae_titles ? %s OR foreign_addresses ? %s)
)
""".encode()


class ForeignReport(Exception):
    """A report came from somebody else than the server that was asked."""


def enter_report(
    connection: Connection[Any],
    report: CommitmentReport,
    sender: str,
    receiver: str,
    address: str = "",
) -> None:
    """Make a report durable and tell the worker; a report that comes twice does no harm.

    One on a request for which nobody waits (any more) is kept, but counts for nobody.

    Args:
        sender: The calling AE title of the association on which it came.
        address: The IP address from which it came.

    Raises:
        ForeignReport: Another server was asked.
        psycopg.Error: That failed.
    """
    found = connection.execute(_IS_FOREIGN, [report.transaction_uid, sender, address]).fetchone()
    if found and found[0]:
        raise ForeignReport("Another server was asked for storage commitment.")
    classes = {uid: report.classes.get(uid, "") for uid in sorted(report.committed)}
    committed, failed = Json(classes), Json(dict(report.failed))
    with connection.transaction():
        values = [report.transaction_uid, sender, address, receiver, committed, failed]
        connection.execute(_INSERT, values)
        connection.execute(_NOTIFY, [report.transaction_uid])


class ReceivedReports:
    """What all receivers get; `adit.core.dicom.CommitmentReports` on PostgreSQL."""

    def __init__(self, server: ServerConfig) -> None:
        """`server`: who is asked; nobody else's reports count."""
        self._server = server

    @contextlib.contextmanager
    def expect(self, transaction_uid: str) -> Iterator["ReceivedReportStream"]:
        """Wait for the reports on one request; what came is forgotten when the block ends."""
        # A connection of its own: notifications on one of Django's would be nobody's.
        wrapper: Any = connections["default"].copy()
        wrapper.inc_thread_sharing()
        try:
            wrapper.ensure_connection()
            connection: Connection[Any] = wrapper.connection
            connection.execute(f"LISTEN {CHANNEL}".encode())
            senders = senders_of(self._server, connection)
            titles, foreign = sorted(senders.own), sorted(senders.elsewhere)
            connection.execute(_EXPECT, [transaction_uid, Json(titles), Json(foreign)])
            try:
                yield ReceivedReportStream(connection, transaction_uid, titles, foreign)
            finally:
                connection.execute(_FORGET, [transaction_uid])
                connection.execute(_DELETE, [transaction_uid])
        finally:
            wrapper.close()


class ReceivedReportStream:
    """Reports on one transaction, whichever receiver they come to."""

    def __init__(
        self,
        connection: Connection[Any],
        transaction_uid: str,
        ae_titles: list[str],
        foreign_addresses: list[str],
    ) -> None:
        self._connection = connection
        self._transaction_uid = transaction_uid
        self._senders = ae_titles, foreign_addresses
        self._last = 0

    def take(self, timeout: float) -> CommitmentReport | None:
        """Wait for the next report; None after so many seconds."""
        deadline = time.monotonic() + timeout
        while (report := self._next()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            for notice in self._connection.notifies(timeout=min(left, _LOOK_AGAIN_SECONDS)):
                if notice.payload == self._transaction_uid:
                    break
        return report

    def _next(self) -> CommitmentReport | None:
        values = [self._transaction_uid, *self._senders, self._last]
        row = self._connection.execute(_NEXT, values).fetchone()
        if row is None:
            return None
        self._last = row[0]
        # Django keeps psycopg from decoding JSON by itself.
        committed, failed = (json.loads(value) for value in row[1:])
        return CommitmentReport(
            transaction_uid=self._transaction_uid,
            committed=frozenset(committed),
            failed=failed,
            classes=committed,
        )

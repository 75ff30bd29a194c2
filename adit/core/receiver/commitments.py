"""Reports of storage commitment, from the receiver that got them to the worker that waits."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

from django.db import connections
from psycopg import Connection
from psycopg.types.json import Json

from adit.core.dicom import CommitmentReport
from adit.core.models import ReceivedReport

CHANNEL = "adit_committed"
# Only a safety net: notifications announce what arrives.
_LOOK_AGAIN_SECONDS = 2.0

_TABLE = ReceivedReport._meta.db_table
_INSERT = f"""
INSERT INTO {_TABLE} (transaction_uid, calling_ae_title, receiver, committed, failed, received_at)
VALUES (%s, %s, %s, %s, %s, now())
""".encode()
_NOTIFY = f"SELECT pg_notify('{CHANNEL}', %s)".encode()
_NEXT = f"""
SELECT id, committed::text, failed::text FROM {_TABLE}
WHERE transaction_uid = %s AND id > %s ORDER BY id LIMIT 1
""".encode()
_DELETE = f"DELETE FROM {_TABLE} WHERE transaction_uid = %s".encode()


def enter_report(
    connection: Connection[Any], report: CommitmentReport, sender: str, receiver: str
) -> None:
    """Make a report durable and tell the worker; a report that comes twice does no harm.

    Raises:
        psycopg.Error: That failed.
    """
    classes = {uid: report.classes.get(uid, "") for uid in sorted(report.committed)}
    committed, failed = Json(classes), Json(dict(report.failed))
    with connection.transaction():
        connection.execute(_INSERT, [report.transaction_uid, sender, receiver, committed, failed])
        connection.execute(_NOTIFY, [report.transaction_uid])


class ReceivedReports:
    """What all receivers get; `adit.core.dicom.CommitmentReports` on PostgreSQL."""

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
            try:
                yield ReceivedReportStream(connection, transaction_uid)
            finally:
                connection.execute(_DELETE, [transaction_uid])
        finally:
            wrapper.close()


class ReceivedReportStream:
    """Reports on one transaction, whichever receiver they come to."""

    def __init__(self, connection: Connection[Any], transaction_uid: str) -> None:
        self._connection = connection
        self._transaction_uid = transaction_uid
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
        row = self._connection.execute(_NEXT, [self._transaction_uid, self._last]).fetchone()
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

"""Reports of storage commitment, from the receiver that got them to the worker that waits."""

import time
from typing import Any

from django.db import connections, transaction
from psycopg import Connection
from psycopg.types.json import Json

from adit.core.models import CommitmentReport

from .event_reports import CommitmentResult

CHANNEL = "adit_committed"
_LOOK_AGAIN_SECONDS = 2.0

_TABLE = CommitmentReport._meta.db_table
_INSERT = f"""
INSERT INTO {_TABLE} (transaction_uid, calling_ae_title, receiver, committed, failed, received_at)
VALUES (%s, %s, %s, %s, %s, now())
""".encode()
_NOTIFY = f"SELECT pg_notify('{CHANNEL}', %s)".encode()


def enter_report(connection: Connection[Any], receiver: str, result: CommitmentResult) -> None:
    """Make a report durable and tell the worker; a report that comes twice does no harm.

    Raises:
        psycopg.Error: That failed.
    """
    with connection.transaction():
        connection.execute(
            _INSERT,
            [
                result.transaction_uid,
                result.calling_ae_title,
                receiver,
                Json(list(result.committed)),
                Json(result.failed),
            ],
        )
        connection.execute(_NOTIFY, [result.transaction_uid])


def take_report(transaction_uid: str) -> CommitmentResult | None:
    """The report on a request, if it has come; it is taken once."""
    with transaction.atomic():
        reports = CommitmentReport.objects.select_for_update(skip_locked=True)
        found = list(reports.filter(transaction_uid=transaction_uid).order_by("pk"))
        if not found:
            return None
        CommitmentReport.objects.filter(pk__in=[report.pk for report in found]).delete()
    last = found[-1]
    return CommitmentResult(
        transaction_uid=transaction_uid,
        calling_ae_title=last.calling_ae_title,
        committed=tuple(last.committed),
        failed=dict(last.failed),
    )


def wait_for_report(transaction_uid: str, timeout: float) -> CommitmentResult | None:
    """Wait for a report, whichever receiver gets it; None after so many seconds."""
    wrapper: Any = connections["default"].copy()
    wrapper.inc_thread_sharing()
    deadline = time.monotonic() + timeout
    try:
        wrapper.ensure_connection()
        connection: Connection[Any] = wrapper.connection
        connection.execute(f"LISTEN {CHANNEL}".encode())
        while (result := take_report(transaction_uid)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            for notice in connection.notifies(timeout=min(left, _LOOK_AGAIN_SECONDS)):
                if notice.payload == transaction_uid:
                    break
        return result
    finally:
        wrapper.close()

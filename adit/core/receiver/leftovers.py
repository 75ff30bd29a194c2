"""What lies in a spool although nobody will take it any more.

Only two things are given up in silence: copies of what the ledger of a delivered series has, equal
in UID and SHA-256, and what the source of the series says that it sent for a C-MOVE of ours.
Whatever else comes of a delivered series waits as all that comes, and goes to quarantine.
"""

from collections.abc import Collection, Iterable
from datetime import timedelta
from itertools import groupby
from operator import attrgetter

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from adit.core.models import DicomServer, DicomTask, ReceivedInstance, SeriesTransfer
from adit.core.models.nodes import split_ae_titles
from adit.core.models.records import InstanceState, decode_records

from .claims import OTHERS, SERIES_LOCK_CLASS, series_lock_key

_LATE = timedelta(seconds=5)
# What comes later was sent by somebody for another reason.
_RECENT = timedelta(minutes=10)
# In the ledger: these need not come again.
_DONE = frozenset(
    {InstanceState.SENT, InstanceState.CONFIRMED, InstanceState.EXCLUDED, InstanceState.HELD}
)


def discard_leftovers(task_id: int, study_instance_uid: str) -> int:
    """Give up what former, interrupted attempts of a complete task had sent to the receivers.

    A run that was killed leaves instances in the spool, claimed by nobody who lives. They hold
    identifiers and are not left to quarantine. Nothing is touched while another task fetches the
    same series, or an inbox is open for it. The receivers delete the files within seconds, or when
    they are back.

    Returns:
        How many instances were given up.
    """
    ledgers = SeriesTransfer.objects.filter(task_id=task_id)
    own = ledgers.values("series_instance_uid")
    others = SeriesTransfer.objects.filter(
        series_instance_uid__in=own, task__state=DicomTask.State.IN_PROGRESS
    ).exclude(task_id=task_id)
    if others.exists():
        return 0
    leftovers = _may_be_ours().filter(
        study_instance_uid=study_instance_uid, series_instance_uid__in=own
    )
    return _give_up(leftovers, ledgers)


def discard_late_copies(receiver: str) -> int:
    """Give up what came for a task that was complete already.

    A source goes on with the C-MOVE of a run that was killed, while the next run fetches what is
    missing and ends.

    Returns:
        How many instances were given up.
    """
    now = Now()
    late = _may_be_ours().filter(
        receiver=receiver, claimed_by=None, quarantined_at=None, received_at__lt=now - _LATE
    )
    if not late.exists():
        return 0
    ledgers = SeriesTransfer.objects.filter(
        state=SeriesTransfer.State.SUCCESS, task__end__gt=now - _RECENT
    )
    late = late.filter(series_instance_uid__in=ledgers.values("series_instance_uid"))
    uids = list(late.values_list("series_instance_uid", flat=True).distinct())
    delivered = [uid for uid in uids if is_delivered(uid)]
    return _give_up(late.filter(series_instance_uid__in=delivered), ledgers)


def mark_copies(rows: Iterable[ReceivedInstance]) -> None:
    """Give up those among rows that are about to be entered again that are copies.

    A file does not say for whose C-MOVE it came, so what it holds has to tell.
    """
    by_series = attrgetter("series_instance_uid")
    for uid, group in groupby(sorted(rows, key=by_series), by_series):
        some = list(group)
        if not is_delivered(uid) or _is_awaited([uid, *{row.study_instance_uid for row in some}]):
            continue
        ledgers = SeriesTransfer.objects.filter(
            series_instance_uid=uid,
            state=SeriesTransfer.State.SUCCESS,
            task__end__gt=min(row.received_at for row in some) - _RECENT,
        )
        known = [
            (ledger.task.end, _contents(ledger))
            for ledger in ledgers.select_related("task")
            if ledger.task.end
        ]
        for row in some:
            content = row.sop_instance_uid, row.sha256
            row.discarded = any(
                row.received_at < end + _RECENT and content in contents for end, contents in known
            )


def is_delivered(series_instance_uid: str) -> bool:
    """Whether a task has delivered the series whole, and none is at work on it or will be."""
    tasks = SeriesTransfer.objects.filter(series_instance_uid=series_instance_uid)
    still = (DicomTask.State.PENDING, DicomTask.State.IN_PROGRESS)
    delivered = tasks.filter(state=SeriesTransfer.State.SUCCESS).exists()
    return delivered and not tasks.filter(task__state__in=still).exists()


def _may_be_ours() -> QuerySet[ReceivedInstance]:
    return ReceivedInstance.objects.filter(
        conflicting=False,
        discarded=False,
        # Some PACS do not tell who asked; what another system asked for is not ours.
        move_originator_ae_title__in=["", settings.CALLING_AE_TITLE],
    )


def _give_up(rows: QuerySet[ReceivedInstance], ledgers: QuerySet[SeriesTransfer]) -> int:
    """Give up what of `rows` nobody misses, series by series."""
    found: dict[tuple[str, str], list[ReceivedInstance]] = {}
    for row in rows.iterator():
        found.setdefault((row.study_instance_uid, row.series_instance_uid), []).append(row)
    count = 0
    for (study, series), some in found.items():
        of_series = ledgers.filter(series_instance_uid=series)
        contents = set[tuple[str, str]]().union(*map(_contents, of_series))
        titles = _titles_of(of_series.values_list("task__source_id", flat=True))
        ids = [
            row.pk
            for row in some
            if (row.sop_instance_uid, row.sha256) in contents
            or (row.move_originator_ae_title and row.calling_ae_title in titles)
        ]
        # An inbox that opens from now on takes nothing that came before.
        if ids and not _is_awaited([series, study]):
            left = ReceivedInstance.objects.filter(pk__in=ids, discarded=False)
            count += left.update(discarded=True)
    return count


def _contents(ledger: SeriesTransfer) -> set[tuple[str, str]]:
    """SOP Instance UID and SHA-256 of what was received and is done with."""
    return {
        (record.source_uid, record.sha256_received)
        for record in decode_records(ledger.instances)
        if record.sha256_received and record.state in _DONE
    }


def _titles_of(servers: Iterable[int]) -> set[str]:
    """The AE titles under which servers send."""
    titles = set[str]()
    found = DicomServer.objects.filter(pk__in=list(servers))
    for server in found.only("ae_title", "sender_ae_titles"):
        titles |= {server.ae_title, *split_ae_titles(server.sender_ae_titles)}
    return titles


def _is_awaited(uids: Collection[str]) -> bool:
    """Whether an inbox is open for one of these series, or for all of one of these studies."""
    with connection.cursor() as cursor:
        cursor.execute(OTHERS, [SERIES_LOCK_CLASS, [series_lock_key(uid) for uid in uids]])
        return cursor.fetchone() == (True,)

"""What lies in a spool although nobody will take it any more."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from adit.core.models import DicomServer, DicomTask, ReceivedInstance, SeriesTransfer
from adit.core.models.nodes import split_ae_titles

_LATE = timedelta(seconds=5)
# What comes later was sent by somebody for another reason.
_RECENT = timedelta(minutes=10)


def discard_leftovers(task_id: int, study_instance_uid: str) -> int:
    """Give up what former, interrupted attempts of a complete task had sent to the receivers.

    A run that was killed leaves instances in the spool, claimed by nobody who lives. They hold
    identifiers and are not left to quarantine. Nothing is touched while another task fetches the
    same series. The receivers delete the files within seconds, or when they are back.

    Returns:
        How many instances were given up.
    """
    own = SeriesTransfer.objects.filter(task_id=task_id).values("series_instance_uid")
    others = SeriesTransfer.objects.filter(
        series_instance_uid__in=own, task__state=DicomTask.State.IN_PROGRESS
    ).exclude(task_id=task_id)
    if others.exists():
        return 0
    leftovers = _may_be_ours().filter(
        study_instance_uid=study_instance_uid, series_instance_uid__in=own
    )
    source = DicomTask.objects.filter(pk=task_id).values_list("source_id", flat=True)
    leftovers = leftovers.exclude(_by_others(source))
    return leftovers.update(discarded=True)


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
    ended = SeriesTransfer.objects.filter(task__end__gt=now - _RECENT)
    series = late.filter(series_instance_uid__in=ended.values("series_instance_uid"))
    uids = series.values_list("series_instance_uid", flat=True).distinct()
    return sum(
        late.filter(series_instance_uid=uid)
        .exclude(_by_others(_sources_of(uid)))
        .update(discarded=True)
        for uid in uids
        if is_delivered(uid)
    )


def _may_be_ours() -> QuerySet[ReceivedInstance]:
    return ReceivedInstance.objects.filter(
        conflicting=False,
        discarded=False,
        # Some PACS do not tell who asked; what another system asked for is not ours.
        move_originator_ae_title__in=["", settings.CALLING_AE_TITLE],
    )


def _sources_of(series_instance_uid: str) -> Iterable[int]:
    """The nodes from which tasks took the series."""
    tasks = SeriesTransfer.objects.filter(series_instance_uid=series_instance_uid)
    return tasks.values_list("task__source_id", flat=True)


def _by_others(sources: Iterable[int]) -> Q:
    """What another server sent, and not as an answer to us: it may have another content."""
    return Q(calling_ae_title__in=_titles_of_others(sources), move_originator_ae_title="")


def _titles_of_others(sources: Iterable[int]) -> set[str]:
    own, others = set[str](), set[str]()
    known = set(sources)
    for server in DicomServer.objects.only("pk", "ae_title", "sender_ae_titles"):
        titles = own if server.pk in known else others
        titles |= {server.ae_title, *split_ae_titles(server.sender_ae_titles)}
    return others - own


def is_leftover(series_instance_uid: str, sender: str) -> bool:
    """Whether nobody wants what this AE title sent of a series."""
    if not is_delivered(series_instance_uid):
        return False
    return sender not in _titles_of_others(_sources_of(series_instance_uid))


def is_delivered(series_instance_uid: str) -> bool:
    """Whether a task has delivered the series whole, and none is at work on it or will be."""
    tasks = SeriesTransfer.objects.filter(series_instance_uid=series_instance_uid)
    still = (DicomTask.State.PENDING, DicomTask.State.IN_PROGRESS)
    delivered = tasks.filter(state=SeriesTransfer.State.SUCCESS).exists()
    return delivered and not tasks.filter(task__state__in=still).exists()

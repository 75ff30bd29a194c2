"""What lies in a spool although nobody will take it any more."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from adit.core.models import DicomTask, ReceivedInstance, SeriesTransfer

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
    delivered = [uid for uid in uids if is_delivered(uid)]
    return late.filter(series_instance_uid__in=delivered).update(discarded=True)


def _may_be_ours() -> QuerySet[ReceivedInstance]:
    return ReceivedInstance.objects.filter(
        conflicting=False,
        discarded=False,
        # Some PACS do not tell who asked; what another system asked for is not ours.
        move_originator_ae_title__in=["", settings.CALLING_AE_TITLE],
    )


def is_delivered(series_instance_uid: str) -> bool:
    """Whether a task has delivered the series whole, and none is at work on it or will be."""
    tasks = SeriesTransfer.objects.filter(series_instance_uid=series_instance_uid)
    still = (DicomTask.State.PENDING, DicomTask.State.IN_PROGRESS)
    delivered = tasks.filter(state=SeriesTransfer.State.SUCCESS).exists()
    return delivered and not tasks.filter(task__state__in=still).exists()

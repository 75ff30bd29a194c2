"""What lies in a spool although nobody will take it any more."""

from django.conf import settings

from adit.core.models import DicomTask, ReceivedInstance, SeriesTransfer


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
    leftovers = ReceivedInstance.objects.filter(
        study_instance_uid=study_instance_uid,
        conflicting=False,
        series_instance_uid__in=own,
        # Some PACS do not tell who asked; what another system asked for is not ours.
        move_originator_ae_title__in=["", settings.CALLING_AE_TITLE],
    )
    return leftovers.filter(discarded=False).update(discarded=True)


def is_delivered(series_instance_uid: str) -> bool:
    """Whether a task has delivered the series whole, and none is at work on it or will be."""
    tasks = SeriesTransfer.objects.filter(series_instance_uid=series_instance_uid)
    still = (DicomTask.State.PENDING, DicomTask.State.IN_PROGRESS)
    delivered = tasks.filter(state=SeriesTransfer.State.SUCCESS).exists()
    return delivered and not tasks.filter(task__state__in=still).exists()

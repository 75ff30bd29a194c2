"""Cancel: waiting tasks end at once, running ones are told to stop."""

from django.db.models.functions import Now

from adit.core.jobs.actions.base import JobAction, is_owner_or_staff
from adit.core.jobs.archive_states import cancel_archive
from adit.core.models import DicomJob, DicomTask


def _cancel(job: DicomJob) -> str:
    tasks = DicomTask.objects.filter(job=job)
    waiting = tasks.filter(state=DicomTask.State.PENDING).update(
        state=DicomTask.State.CANCELED, queued=None, queue_job_id=None, not_before=None, end=Now()
    )
    running = tasks.filter(state=DicomTask.State.IN_PROGRESS).update(cancel_requested=True)
    cancel_archive(job)
    DicomJob.objects.filter(pk=job.pk).update(state=DicomJob.State.CANCELING)
    return f"Canceled {waiting} waiting tasks; {running} running tasks are stopping."


cancel_job = JobAction(
    name="cancel",
    label="Cancel",
    icon="x-octagon",
    confirm="Running transfers stop; what was delivered stays delivered.",
    danger=True,
    allowed=is_owner_or_staff,
    fits=lambda job: job.state in (DicomJob.State.PENDING, DicomJob.State.IN_PROGRESS),
    effect=_cancel,
)

"""Cancel: waiting tasks end at once, running ones are told to stop."""

from django.db.models.functions import Now

from adit.core.jobs.actions.base import JobAction, is_owner_or_staff
from adit.core.jobs.archive_states import cancel_archive
from adit.core.jobs.notify import notify_revoked
from adit.core.jobs.queue import withdraw
from adit.core.models import DicomJob, DicomTask, SeriesTransfer
from adit.core.transfer.ledger_store import mark_canceled_series
from adit.core.words import counted

_FITS = (DicomJob.State.PENDING, DicomJob.State.IN_PROGRESS)


def _cancel(job: DicomJob) -> str:
    tasks = DicomTask.objects.filter(job=job)
    withdraw(tasks.filter(state=DicomTask.State.PENDING, queued__isnull=False))
    begun = SeriesTransfer.objects.filter(task__job=job, task__state=DicomTask.State.PENDING)
    mark_canceled_series(begun.values_list("task_id", flat=True).distinct())
    waiting = tasks.filter(state=DicomTask.State.PENDING).update(
        state=DicomTask.State.CANCELED, queued=None, queue_job_id=None, not_before=None, end=Now()
    )
    running = tasks.filter(state=DicomTask.State.IN_PROGRESS)
    stopping = list(running.values_list("pk", flat=True))
    running.update(cancel_requested=True)
    for task_id in stopping:
        notify_revoked(task_id)
    cancel_archive(job)
    DicomJob.objects.filter(pk=job.pk, state__in=_FITS).update(state=DicomJob.State.CANCELING)
    number = len(stopping)
    text = f"{counted(waiting, 'waiting task')} {'was' if waiting == 1 else 'were'} canceled"
    if not number:
        return f"{text}."
    return f"{text}; {counted(number, 'running task')} {'is' if number == 1 else 'are'} stopping."


cancel_job = JobAction(
    name="cancel",
    label="Cancel",
    icon="x-octagon",
    phrase="cancel {}",
    past="Canceled",
    counts=True,
    confirm="Running transfers stop; what was delivered stays delivered.",
    danger=True,
    allowed=is_owner_or_staff,
    fits=lambda job: job.state in _FITS,
    effect=_cancel,
)

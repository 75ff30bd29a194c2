"""Delete: a job of which nothing was ever started goes, with its tasks."""

from adit.core.jobs.actions.base import JobAction, is_owner_or_staff
from adit.core.jobs.deletion import delete_with_tasks
from adit.core.jobs.notify import notify_job
from adit.core.jobs.queue import withdraw
from adit.core.models import DicomJob, DicomTask
from adit.core.words import counted


def _untouched(job: DicomJob) -> bool:
    if job.state == DicomJob.State.UNVERIFIED:
        return True
    return job.state == DicomJob.State.PENDING and not _was_started(job)


def _was_started(job: DicomJob) -> bool:
    """Whether any task ever ran: a reset makes the tasks forget it, the job does not."""
    if job.start is not None:
        return True
    return DicomTask.objects.filter(job=job, start__isnull=False).exists()


def _why_not(job: DicomJob) -> str:
    if job.state == DicomJob.State.PENDING:
        return "it was started before, and what it did stays on record; cancel it instead"
    return ""


def _delete(job: DicomJob) -> str:
    withdraw(DicomTask.objects.filter(job=job, queued__isnull=False))
    number = delete_with_tasks(job)
    # Its state is not derived any more, which would tell the pages.
    notify_job(job.pk)
    return f"Job {job.pk} is deleted with {counted(number, 'task')}."


delete_job = JobAction(
    name="delete",
    label="Delete",
    icon="trash",
    phrase="delete {}",
    past="",
    confirm="The job and its tasks are deleted for good.",
    danger=True,
    allowed=is_owner_or_staff,
    fits=_untouched,
    effect=_delete,
    why_not=_why_not,
)

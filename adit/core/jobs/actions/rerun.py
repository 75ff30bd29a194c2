"""Resume, retry and restart: ended tasks wait again."""

from collections.abc import Iterable

from django.db.models import QuerySet

from adit.core.jobs.actions.base import Conflict, JobAction, is_owner_or_staff, is_staff
from adit.core.jobs.archive_states import KeysGone, open_again
from adit.core.models import DicomJob, DicomTask, SeriesTransfer
from adit.core.transfer.ledger_store import reopen_canceled_series

JobState, TaskState = DicomJob.State, DicomTask.State


def wait_again(tasks: QuerySet[DicomTask]) -> int:
    """Put ended tasks back to waiting, with all their attempts before them."""
    reopen_canceled_series(tasks.filter(state=TaskState.CANCELED))
    return tasks.filter(state__in=DicomTask.ENDED).update(
        state=TaskState.PENDING,
        attempts=0,
        crashes=0,
        not_before=None,
        waits_for="",
        queued=None,
        queue_job_id=None,
        cancel_requested=False,
        end=None,
        message="",
    )


def forget_work(tasks: QuerySet[DicomTask]) -> None:
    """Forget what ended tasks have done: their ledger goes, they start from the beginning."""
    ended = tasks.filter(state__in=DicomTask.ENDED)
    SeriesTransfer.objects.filter(task__in=ended.values("pk")).delete()
    ended.update(
        start=None, protocol="", instances_expected=0, instances_done=0, bytes_done=0, log=""
    )


def reopen(job: DicomJob) -> None:
    """Let an ended job be one that has tasks to do; its state is derived afterwards.

    Raises:
        Conflict: its archive cannot be assembled any more.
    """
    try:
        open_again(job)
    except KeysGone as err:
        raise Conflict(f"Job {job.pk} cannot go on: {err}.") from err
    DicomJob.objects.filter(pk=job.pk, state__in=DicomJob.ENDED).update(state=JobState.PENDING)


def _wait_again(job: DicomJob, states: Iterable[str]) -> int:
    number = wait_again(DicomTask.objects.filter(job=job, state__in=states))
    reopen(job)
    return number


def _resume(job: DicomJob) -> str:
    return f"{_wait_again(job, [TaskState.CANCELED])} canceled tasks go on."


def _retry(job: DicomJob) -> str:
    """A job that has only warned tasks can but mean those."""
    state = TaskState.FAILURE if job.state == JobState.FAILURE else TaskState.WARNING
    return f"{_wait_again(job, [state])} tasks try again to deliver what is missing."


def _retry_warned(job: DicomJob) -> str:
    number = _wait_again(job, [TaskState.FAILURE, TaskState.WARNING])
    return f"{number} failed and warned tasks try again to deliver what is missing."


def _has_warned_tasks(job: DicomJob) -> bool:
    return DicomTask.objects.filter(job=job, state=TaskState.WARNING).exists()


def _restart(job: DicomJob) -> str:
    forget_work(DicomTask.objects.filter(job=job))
    number = _wait_again(job, DicomTask.ENDED)
    return f"{number} tasks start from the beginning."


resume_job = JobAction(
    name="resume",
    label="Resume",
    icon="play",
    allowed=is_owner_or_staff,
    fits=lambda job: job.state == JobState.CANCELED,
    effect=_resume,
)

retry_job = JobAction(
    name="retry",
    label="Retry",
    icon="arrow-clockwise",
    allowed=is_owner_or_staff,
    fits=lambda job: job.state in (JobState.FAILURE, JobState.WARNING),
    effect=_retry,
)

retry_warned_job = JobAction(
    name="retry_warned",
    label="Retry with warned tasks",
    icon="arrow-repeat",
    allowed=is_owner_or_staff,
    fits=lambda job: job.state == JobState.FAILURE and _has_warned_tasks(job),
    effect=_retry_warned,
    why_not=lambda job: "none of its tasks has warnings" if job.state == JobState.FAILURE else "",
)

restart_job = JobAction(
    name="restart",
    label="Restart",
    icon="arrow-counterclockwise",
    confirm="All tasks start from the beginning; their receipts are made anew.",
    allowed=is_staff,
    fits=lambda job: job.is_ended,
    effect=_restart,
)

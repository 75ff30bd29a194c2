"""Resume, retry and restart: ended tasks wait again."""

from collections.abc import Iterable

from adit.core.jobs.actions.base import Conflict, JobAction, is_owner_or_staff, is_staff
from adit.core.jobs.archive_states import KeysGone, open_again
from adit.core.models import DicomJob, DicomTask, SeriesTransfer

JobState, TaskState = DicomJob.State, DicomTask.State


def _wait_again(job: DicomJob, states: Iterable[str]) -> int:
    """Put the job's tasks in `states` back to waiting, with all their attempts before them."""
    try:
        open_again(job)
    except KeysGone as err:
        raise Conflict(f"Job {job.pk} cannot go on: {err}.") from err
    number = DicomTask.objects.filter(job=job, state__in=states).update(
        state=TaskState.PENDING,
        attempts=0,
        crashes=0,
        not_before=None,
        queued=None,
        queue_job_id=None,
        cancel_requested=False,
        end=None,
        message="",
    )
    DicomJob.objects.filter(pk=job.pk).update(state=JobState.PENDING)
    return number


def _resume(job: DicomJob) -> str:
    return f"{_wait_again(job, [TaskState.CANCELED])} canceled tasks go on."


def _retry(job: DicomJob) -> str:
    number = _wait_again(job, [TaskState.FAILURE, TaskState.WARNING])
    return f"{number} tasks try again to deliver what is missing."


def _restart(job: DicomJob) -> str:
    SeriesTransfer.objects.filter(task__job=job).delete()
    DicomTask.objects.filter(job=job).update(
        start=None, protocol="", instances_expected=0, instances_done=0, bytes_done=0
    )
    number = _wait_again(job, DicomTask.ENDED)
    DicomJob.objects.filter(pk=job.pk).update(start=None)
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

restart_job = JobAction(
    name="restart",
    label="Restart",
    icon="arrow-counterclockwise",
    confirm="All tasks start from the beginning; their receipts are made anew.",
    allowed=is_staff,
    fits=lambda job: job.is_ended,
    effect=_restart,
)

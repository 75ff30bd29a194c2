"""Resume, retry and restart: ended tasks wait again."""

from collections.abc import Callable, Iterable

from django.db.models import QuerySet

from adit.core.jobs.actions.base import (
    Conflict,
    JobAction,
    is_owner_or_staff,
    is_staff,
)
from adit.core.jobs.archive_states import KeysGone, open_again
from adit.core.jobs.registry import get_kind
from adit.core.models import DeidProfile, DicomJob, DicomTask
from adit.core.models.transfers import TransferJob
from adit.core.transfer.ledger_store import forget_series, reopen_canceled_series
from adit.core.words import counted

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
    """Forget what ended tasks have done: their ledger goes, they start from the beginning. Only
    what staff discarded stays on record, and stays behind."""
    ended = tasks.filter(state__in=DicomTask.ENDED)
    forget_series(ended)
    ended.update(
        start=None,
        run_start=None,
        done_before=0,
        protocol="",
        instances_expected=0,
        instances_done=0,
        bytes_done=0,
        log="",
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
    reopen_state(job)


def reopen_state(job: DicomJob) -> None:
    """Let the state of a job that has ended follow from its tasks again."""
    DicomJob.objects.filter(pk=job.pk, state__in=DicomJob.ENDED).update(state=JobState.PENDING)


def _wait_again(job: DicomJob, states: Iterable[str]) -> int:
    number = wait_again(DicomTask.objects.filter(job=job, state__in=states))
    reopen(job)
    return number


def _resume(job: DicomJob) -> str:
    number = _wait_again(job, [TaskState.CANCELED])
    return _words(number, "canceled", "goes on.", "go on.")


_TRIES = ("tries again to deliver what is missing.", "try again to deliver what is missing.")


def _retry(job: DicomJob) -> str:
    """A job that has only warned tasks can but mean those."""
    if job.state == JobState.FAILURE:
        return _words(_wait_again(job, [TaskState.FAILURE]), "failed", *_TRIES)
    return _words(_wait_again(job, [TaskState.WARNING]), "warned", *_TRIES)


def _retry_warned(job: DicomJob) -> str:
    number = _wait_again(job, [TaskState.FAILURE, TaskState.WARNING])
    return _words(number, "failed or warned", *_TRIES)


def _restart(job: DicomJob) -> str:
    forget_work(DicomTask.objects.filter(job=job))
    number = _wait_again(job, DicomTask.ENDED)
    return _words(number, "", "starts from the beginning.", "start from the beginning.")


def _words(number: int, what: str, one: str, many: str) -> str:
    """What becomes of so many tasks. None: then only the archive of the job has work left."""
    if not number:
        return "No task of it has anything left to do."
    return f"{counted(number, f'{what} task'.strip())} {one if number == 1 else many}"


def _has_warned_tasks(job: DicomJob) -> bool:
    return DicomTask.objects.filter(job=job, state=TaskState.WARNING).exists()


def why_closed(job: DicomJob) -> str:
    """Why no task of an ended job can run again, empty where they can."""
    if not job.is_ended:
        return ""
    archive = getattr(job, "archive", None)
    if archive is not None and not archive.can_be_assembled:
        return "the password of its archive is no longer kept; create it anew"
    return _why_profile_is_closed(job)


def _why_profile_is_closed(job: DicomJob) -> str:
    """Why nothing may be transferred under the profile of a job any more, empty where it may.

    What was started goes on, also after failures that pass; whoever starts something again needs a
    profile that is still offered. As for new jobs, a newer version may close it to a group.
    """
    known = getattr(job, "_profile_closed", None)
    if known is not None:  # a page asks for each action
        return known
    why = ""
    model = get_kind(job.kind).job_model
    if issubclass(model, TransferJob):
        ids = model.objects.filter(pk=job.pk).values("profile")
        profile = DeidProfile.objects.filter(pk__in=ids).first()
        if profile is not None:
            why = _why_not_offered(profile, job.group.pk if job.group else None)
    setattr(job, "_profile_closed", why)  # noqa: B010
    return why


def _why_not_offered(profile: DeidProfile, group_id: int | None) -> str:
    if not profile.is_active:
        return f"the profile {profile} is retired; create the job anew with another one"
    offered = DeidProfile.objects.usable_in(group_id).filter(name=profile.name)
    itself = DeidProfile.objects.filter(pk=profile.pk).open_to(group_id)
    if not (offered.exists() and itself.exists()):
        return (
            f"the profile {profile} is not open to its group any more; create the job anew with "
            "another one"
        )
    return ""


def _goes_on_from(*states: str) -> Callable[[DicomJob], bool]:
    return lambda job: job.state in states and not why_closed(job)


resume_job = JobAction(
    name="resume",
    label="Resume",
    icon="play",
    phrase="resume {}",
    past="Resumed",
    counts=True,
    runs_again=True,
    allowed=is_owner_or_staff,
    fits=_goes_on_from(JobState.CANCELED),
    effect=_resume,
    why_not=lambda job: why_closed(job) if job.state == JobState.CANCELED else "",
)

retry_job = JobAction(
    name="retry",
    label="Retry",
    icon="arrow-clockwise",
    phrase="retry {}",
    past="Retried",
    counts=True,
    runs_again=True,
    allowed=is_owner_or_staff,
    fits=_goes_on_from(JobState.FAILURE, JobState.WARNING),
    effect=_retry,
    why_not=lambda job: (
        why_closed(job) if job.state in (JobState.FAILURE, JobState.WARNING) else ""
    ),
)


def _why_not_warned(job: DicomJob) -> str:
    if job.state != JobState.FAILURE:
        return ""
    return why_closed(job) or "none of its tasks has warnings"


retry_warned_job = JobAction(
    name="retry_warned",
    label="Retry with warned tasks",
    icon="arrow-repeat",
    phrase="retry {} with its warned tasks",
    past="Retried with its warned tasks",
    counts=True,
    runs_again=True,
    allowed=is_owner_or_staff,
    fits=lambda job: _goes_on_from(JobState.FAILURE)(job) and _has_warned_tasks(job),
    effect=_retry_warned,
    why_not=_why_not_warned,
)

restart_job = JobAction(
    name="restart",
    label="Restart",
    icon="arrow-counterclockwise",
    confirm=(
        "All tasks start from the beginning; their receipts are made anew. What staff discarded "
        "stays behind."
    ),
    phrase="restart {}",
    past="Restarted",
    counts=True,
    runs_again=True,
    allowed=is_staff,
    fits=_goes_on_from(*DicomJob.ENDED),
    effect=_restart,
    why_not=why_closed,
)

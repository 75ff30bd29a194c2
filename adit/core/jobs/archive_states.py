"""How the archive of a job follows its tasks. The caller holds the lock of the job."""

from __future__ import annotations

from adit.core.jobs import queue
from adit.core.models import DicomJob, DicomTask, JobArchive

State = JobArchive.State
_NO_RUN = {"lease": None, "lease_until": None, "worker": ""}


class KeysGone(Exception):
    """The password of the archive is no longer kept."""


def follow_tasks(job_id: int) -> None:
    """The archive waits while tasks are open, and is queued once all of them have ended."""
    archive = JobArchive.objects.filter(job_id=job_id).only("state").first()
    if archive is None:
        return
    rows = JobArchive.objects.filter(job_id=job_id)
    if DicomTask.objects.filter(job_id=job_id).exclude(state__in=DicomTask.ENDED).exists():
        if archive.state != State.WAITING:
            rows.update(state=State.WAITING, queue_job_id=None, not_before=None, **_NO_RUN)
    elif archive.state == State.WAITING:
        rows.update(
            state=State.QUEUED, attempts=0, message="", queue_job_id=queue.defer_archive(job_id)
        )


def open_again(job: DicomJob) -> None:
    """The job goes on: its archive is to be assembled anew.

    Raises:
        KeysGone: it cannot be.
    """
    archive = JobArchive.objects.filter(job_id=job.pk).first()
    if archive is None:
        return
    if not archive.can_be_assembled:
        raise KeysGone("the password of its archive is no longer kept; create it anew")
    JobArchive.objects.filter(job_id=job.pk).update(state=State.WAITING, ended=None, **_NO_RUN)


def cancel_archive(job: DicomJob) -> None:
    """Stop an assembly. What still waits for tasks goes on: what they have delivered is
    assembled when the running ones have stopped."""
    JobArchive.objects.filter(job_id=job.pk, state__in=[State.QUEUED, State.ASSEMBLING]).update(
        state=State.CANCELED, queue_job_id=None, not_before=None, message="Canceled.", **_NO_RUN
    )

"""The archive of a job: when it is due, who may assemble it, and how that ended."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from adit.core.jobs import queue
from adit.core.jobs.leases import LeaseStatus
from adit.core.jobs.states import derive_job_state, lock_job
from adit.core.models import DicomJob, JobArchive

State = JobArchive.State

_NO_RUN: dict[str, Any] = {"lease": None, "lease_until": None, "worker": ""}


@dataclass(frozen=True)
class ArchiveLease:
    """The right to assemble the archive of a job, given to one worker for one attempt."""

    job_id: int
    token: uuid.UUID
    attempt: int


def _deadline() -> Any:
    return Now() + timedelta(seconds=settings.TASK_LEASE_SECONDS)


def claim(job_id: int, worker: str) -> ArchiveLease | None:
    """Take a queued archive; None where there is nothing to assemble, or another does it."""
    with transaction.atomic():
        if lock_job(job_id) is None:
            return None
        token = uuid.uuid4()
        claimed = (
            JobArchive.objects.filter(job_id=job_id, state=State.QUEUED)
            .filter(Q(not_before=None) | Q(not_before__lte=Now()))
            .update(
                state=State.ASSEMBLING,
                lease=token,
                lease_until=_deadline(),
                worker=worker,
                attempts=F("attempts") + 1,
                not_before=None,
                message="",
                files_done=0,
            )
        )
        if not claimed:
            return None
        attempt = JobArchive.objects.values_list("attempts", flat=True).get(job_id=job_id)
        derive_job_state(job_id)
    return ArchiveLease(job_id, token, attempt)


def renew(lease: ArchiveLease) -> LeaseStatus:
    """The heartbeat; an archive that was canceled or waits for tasks again counts as lost."""
    held = JobArchive.objects.filter(job_id=lease.job_id, lease=lease.token)
    return LeaseStatus.HELD if held.update(lease_until=_deadline()) else LeaseStatus.LOST


def report(lease: ArchiveLease, files_done: int) -> None:
    JobArchive.objects.filter(job_id=lease.job_id, lease=lease.token).update(files_done=files_done)


def hold(lease: ArchiveLease) -> bool:
    """Inside a transaction: whether the lease holds; it does to the end of the transaction."""
    assert connection.in_atomic_block
    lock_job(lease.job_id)
    held = JobArchive.objects.select_for_update(no_key=True).filter(
        job_id=lease.job_id, lease=lease.token
    )
    return held.exists()


def release(lease: ArchiveLease, state: str, message: str = "", **columns: Any) -> bool:
    """End the attempt; False, and nothing is changed, where the lease was lost."""
    with transaction.atomic():
        if lock_job(lease.job_id) is None:
            return False
        released = JobArchive.objects.filter(job_id=lease.job_id, lease=lease.token).update(
            state=state,
            message=message[:500],
            queue_job_id=None,
            ended=None if state in JobArchive.OPEN else Now(),
            **_NO_RUN,
            **columns,
        )
        if not released:
            return False
        derived = derive_job_state(lease.job_id)
        if derived and derived.state == DicomJob.State.SUCCESS:
            # Nothing can need it any more; the key of the parts goes with the parts.
            JobArchive.objects.filter(job_id=lease.job_id).update(password="")
    return True


def try_later(lease: ArchiveLease, message: str) -> bool:
    """After a cause that may pass: wait, or give up after as many attempts as a task has."""
    if lease.attempt >= settings.TASK_ATTEMPTS:
        return release(lease, State.FAILED, f"{message} (failed {lease.attempt} times)")
    waits = settings.TASK_RETRY_WAITS or [0]
    wait = waits[min(lease.attempt, len(waits)) - 1]
    due = Now() + timedelta(seconds=wait)
    return release(lease, State.QUEUED, message, not_before=due)


def hand_back(lease: ArchiveLease) -> bool:
    """The worker stops; the attempt does not count."""
    return release(lease, State.QUEUED, attempts=F("attempts") - 1)


# Housekeeping


def give_up_parts(job_id: int) -> bool:
    """Let the parts of an archive be removed although its job could still be retried; False where
    there are none (any more)."""
    rows = JobArchive.objects.filter(job_id=job_id).exclude(parts_key="")
    rows.update(password="")
    return rows.exists()


_ORPHANS = """
SELECT job_id FROM core_jobarchive AS archive
WHERE (archive.state = 'QUEUED' AND (not_before IS NULL OR not_before <= now())
       OR archive.parts_key <> '' AND archive.password = '' AND archive.state <> 'ASSEMBLING')
  AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs AS row
                  WHERE row.id = archive.queue_job_id AND row.status IN ('todo', 'doing'))
"""


def sweep_archives() -> None:
    """Take back what a dead worker was assembling, forget old passwords, queue what nobody will
    do otherwise."""
    lapsed = JobArchive.objects.filter(state=State.ASSEMBLING, lease_until__lt=Now())
    for job_id, token, attempt in lapsed.values_list("job_id", "lease", "attempts"):
        lease = ArchiveLease(job_id, token, attempt)
        if attempt >= settings.TASK_MAX_CRASHES:
            release(lease, State.FAILED, f"Given up: it was interrupted {attempt} times.")
        else:
            release(lease, State.QUEUED, "Its worker broke off; it starts again.")
    old = Now() - timedelta(days=settings.ARCHIVE_KEEP_DAYS)
    JobArchive.objects.filter(ended__lt=old).exclude(state__in=JobArchive.OPEN).exclude(
        password=""
    ).update(password="")
    with connection.cursor() as cursor:
        cursor.execute(_ORPHANS)
        due = [row[0] for row in cursor.fetchall()]
    for job_id in due:
        with transaction.atomic():
            if lock_job(job_id) is not None:
                JobArchive.objects.filter(job_id=job_id).update(
                    queue_job_id=queue.defer_archive(job_id)
                )

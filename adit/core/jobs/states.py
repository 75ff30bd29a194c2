"""A job's state follows from the states of its tasks, in one SQL statement."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db import connection, transaction

from adit.core.jobs.archive_states import follow_tasks
from adit.core.jobs.notify import JOB_CHANNEL
from adit.core.jobs.queue import Mail, defer_mail
from adit.core.models import DicomJob, DicomTask


@dataclass(frozen=True)
class Derived:
    """What the derivation found. `ended_now` holds only in the transaction that ended the job."""

    state: str
    ended_now: bool


def lock_job(job_id: int) -> DicomJob | None:
    """Lock the row of a job until the transaction ends.

    Whoever changes tasks locks their job first; so no two changes of one job cross each other and
    the last of them sees all of them. Only the guard of a run (`run.TaskRun.guard`) locks a task
    alone: it waits for no job. Nor does who only refers to the job, as by an event (`no_key`).
    """
    jobs = DicomJob.objects.select_for_update(no_key=True).order_by()
    return jobs.filter(pk=job_id).first()


@dataclass(frozen=True)
class LockedJob:
    """What the end of a run has to know of its job."""

    state: str
    has_archive: bool


_LOCK = """
SELECT state, EXISTS (SELECT 1 FROM core_jobarchive WHERE job_id = job.id)
FROM core_dicomjob AS job WHERE id = %s FOR NO KEY UPDATE OF job
"""


def lock_job_state(job_id: int) -> LockedJob | None:
    """Lock the row of a job likewise, in one look; None where it is gone."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [job_id])
        row = cursor.fetchone()
    return LockedJob(*row) if row else None


# An unverified job stays so until it is verified, an ended one until an action opens it again
# (`rerun.reopen_state`): to derive once more changes nothing. Canceling wins over everything but
# the end. A job of which a task has started is in progress, also while that waits for another
# attempt.
_DERIVE = """
WITH counts AS (
    SELECT count(*) AS total,
           count(*) FILTER (WHERE state = 'PENDING') AS pending,
           count(*) FILTER (WHERE state = 'IN_PROGRESS') AS running,
           count(*) FILTER (WHERE state = 'SUCCESS') AS succeeded,
           count(*) FILTER (WHERE state = 'WARNING') AS warned,
           count(*) FILTER (WHERE state = 'FAILURE') AS failed,
           count(*) FILTER (WHERE state = 'CANCELED') AS canceled
    FROM core_dicomtask WHERE job_id = %(job_id)s
), derived AS (
    SELECT counts.*, CASE
        WHEN job.state IN ('UNVERIFIED', 'CANCELED', 'SUCCESS', 'WARNING', 'FAILURE')
             THEN job.state
        WHEN job.state = 'CANCELING' AND (running > 0
             OR archive.state IN ('WAITING', 'QUEUED', 'ASSEMBLING')) THEN 'CANCELING'
        WHEN job.state = 'CANCELING' THEN 'CANCELED'
        WHEN pending = total AND (job.start IS NULL OR NOT EXISTS (SELECT 1 FROM core_dicomtask
             WHERE job_id = %(job_id)s AND start IS NOT NULL)) THEN 'PENDING'
        WHEN pending + running > 0 THEN 'IN_PROGRESS'
        WHEN archive.state IN ('WAITING', 'QUEUED', 'ASSEMBLING') THEN 'IN_PROGRESS'
        WHEN failed > 0 OR archive.state = 'FAILED' THEN 'FAILURE'
        WHEN warned > 0 THEN 'WARNING'
        WHEN succeeded > 0 THEN 'SUCCESS'
        ELSE 'CANCELED' END AS new_state,
        job.state AS old_state, job.send_finished_mail AS mail_end,
        failed > 0 AND NOT job.failure_mailed AS first_failure,
        archive.state AS archive_state
    FROM counts, core_dicomjob AS job
    LEFT JOIN core_jobarchive AS archive ON archive.job_id = job.id
    WHERE job.id = %(job_id)s
)
UPDATE core_dicomjob AS job SET
    state = new_state,
    failure_mailed = failure_mailed OR first_failure,
    start = CASE WHEN new_state = 'IN_PROGRESS' THEN coalesce(start, now()) ELSE start END,
    active_since = CASE new_state WHEN 'IN_PROGRESS' THEN coalesce(active_since, now())
                                  WHEN 'CANCELING' THEN active_since END,
    active_seconds = CASE
        WHEN new_state IN ('UNVERIFIED', 'PENDING') THEN 0
        WHEN new_state IN ('CANCELED', 'SUCCESS', 'WARNING', 'FAILURE')
             THEN active_seconds + coalesce(extract(epoch FROM now() - active_since), 0)
        ELSE active_seconds END,
    "end" = CASE WHEN new_state IN ('CANCELED', 'SUCCESS', 'WARNING', 'FAILURE')
                 THEN coalesce("end", now()) END,
    message = CASE WHEN new_state IN ('UNVERIFIED', 'PENDING') THEN '' ELSE concat_ws(', ',
        format('%%s of %%s succeeded', succeeded, total),
        CASE WHEN warned > 0 THEN format('%%s with warnings', warned) END,
        CASE WHEN failed > 0 THEN format('%%s failed', failed) END,
        CASE WHEN canceled > 0 THEN format('%%s canceled', canceled) END,
        CASE archive_state WHEN 'QUEUED' THEN 'the archive waits for a worker'
                           WHEN 'ASSEMBLING' THEN 'the archive is being assembled'
                           WHEN 'DONE' THEN 'the archive is whole and tested'
                           WHEN 'EMPTY' THEN 'there is nothing to put into the archive'
                           WHEN 'CANCELED' THEN 'the archive was canceled'
                           WHEN 'FAILED' THEN 'the archive failed' END) END
FROM derived WHERE job.id = %(job_id)s
RETURNING new_state, old_state, mail_end, first_failure, total, job.message,
    pg_notify(%(channel)s, job.id::text)
"""


_HAS_ARCHIVE = "SELECT 1 FROM core_jobarchive WHERE job_id = %s"


# What was derived in this process of jobs with many tasks: when, and whether an end came since.
_MANY_TASKS = 200
_PAUSE_SECONDS = 1.0
_MOST_JOBS = 1000
_derived: dict[int, float] = {}
_stale: set[int] = set()


def derive_after_end(job_id: int, job: LockedJob, task_state: str, others_open: bool) -> None:
    """Likewise after the run of one task has ended; the caller holds the lock.

    To count all tasks of a large job after each of them costs more than a small task itself. Where
    the end of one changes no more than the numbers in the message, they follow about a second
    later (`derive_stale`). The last end, and each failure, counts at once.
    """
    if (
        job.state == DicomJob.State.IN_PROGRESS
        and others_open
        and task_state != DicomTask.State.FAILURE
        and time.monotonic() - _derived.get(job_id, -_PAUSE_SECONDS) < _PAUSE_SECONDS
    ):
        _stale.add(job_id)
        return
    derive_job_state(job_id, job.has_archive)


def any_stale() -> bool:
    """Whether `derive_stale` has something to do."""
    return bool(_stale)


def derive_stale() -> None:
    """Bring the messages of jobs up to date of which tasks have ended since they were derived."""
    for job_id in list(_stale):
        with transaction.atomic():
            if job := lock_job_state(job_id):
                derive_job_state(job_id, job.has_archive)
        _stale.discard(job_id)


def _remember(job_id: int, total: int) -> None:
    _stale.discard(job_id)
    if len(_derived) > _MOST_JOBS:
        _derived.clear()
    if total >= _MANY_TASKS:
        _derived[job_id] = time.monotonic()


def derive_job_state(job_id: int, has_archive: bool | None = None) -> Derived | None:
    """Bring the job's state, message, start and end in line with its tasks, tell the pages, and
    queue the mails that follow: on the end if asked, and on the first failure.

    The caller holds the lock of the job (`lock_job`). Returns None where the job is gone.
    """
    with connection.cursor() as cursor:
        if has_archive is None:
            cursor.execute(_HAS_ARCHIVE, [job_id])
            has_archive = cursor.fetchone() is not None
        if has_archive:
            follow_tasks(job_id)
        cursor.execute(_DERIVE, {"job_id": job_id, "channel": JOB_CHANNEL})
        row = cursor.fetchone()
    if row is None:
        return None
    new_state, old_state, mail_end, first_failure, total, message, _ = row
    _remember(job_id, total)
    ended_now = new_state in DicomJob.ENDED and old_state not in DicomJob.ENDED
    if ended_now and mail_end:
        defer_mail(Mail.FINISHED, job_id, new_state, message)
    elif first_failure:
        defer_mail(Mail.FIRST_FAILURE, job_id, new_state, message)
    return Derived(new_state, ended_now)

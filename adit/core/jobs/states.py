"""A job's state follows from the states of its tasks, in one SQL statement."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from adit.core.jobs.archive_states import follow_tasks
from adit.core.jobs.notify import JOB_CHANNEL
from adit.core.jobs.queue import Mail, defer_mail
from adit.core.models import DicomJob


@dataclass(frozen=True)
class Derived:
    """What the derivation found. `ended_now` holds only in the transaction that ended the job."""

    state: str
    ended_now: bool


def lock_job(job_id: int) -> DicomJob | None:
    """Lock the row of a job until the transaction ends.

    Whoever changes tasks locks their job first; so no two changes of one job cross each other and
    the last of them sees all of them.
    """
    return DicomJob.objects.select_for_update().filter(pk=job_id).first()


def lock_job_state(job_id: int) -> str | None:
    """Lock the row of a job likewise and return its state; None where it is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM core_dicomjob WHERE id = %s FOR UPDATE", [job_id])
        row = cursor.fetchone()
    return row[0] if row else None


# An unverified job stays so until it is verified; canceling wins over everything but the end. A job
# of which a task has started is in progress, also while that waits for another attempt.
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
        WHEN job.state = 'UNVERIFIED' THEN 'UNVERIFIED'
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
RETURNING new_state, old_state, mail_end, first_failure, pg_notify(%(channel)s, job.id::text)
"""


_HAS_ARCHIVE = "SELECT 1 FROM core_jobarchive WHERE job_id = %s"


def derive_job_state(job_id: int) -> Derived | None:
    """Bring the job's state, message, start and end in line with its tasks, tell the pages, and
    queue the mails that follow: on the end if asked, and on the first failure.

    The caller holds the lock of the job (`lock_job`). Returns None where the job is gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HAS_ARCHIVE, [job_id])
        if cursor.fetchone():
            follow_tasks(job_id)
        cursor.execute(_DERIVE, {"job_id": job_id, "channel": JOB_CHANNEL})
        row = cursor.fetchone()
    if row is None:
        return None
    new_state, old_state, mail_end, first_failure, _ = row
    ended_now = new_state in DicomJob.ENDED and old_state not in DicomJob.ENDED
    if ended_now and mail_end:
        defer_mail(Mail.FINISHED, job_id)
    elif first_failure:
        defer_mail(Mail.FIRST_FAILURE, job_id)
    return Derived(new_state, ended_now)

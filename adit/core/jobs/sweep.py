"""Brings back what a crash left behind. Runs every few seconds in every worker."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from adit.core.jobs.archives import sweep_archives
from adit.core.jobs.conclusion import after_crash
from adit.core.jobs.database_threads import DatabaseThreads
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.leases import Lease
from adit.core.jobs.queue import DICOM_QUEUE
from adit.core.jobs.retention import keep_house
from adit.core.jobs.states import derive_stale, lock_job_state
from adit.core.jobs.work_folder import sweep_work_folders
from adit.core.jobs.worker_slots import forget_silent_workers
from adit.core.models import DicomTask

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0

# Queue rows that a dead worker left as `doing`; the limit lies above Procrastinate's heartbeat.
# A row that runs a task is done with (the task itself is handed over anew); a mail is tried again.
_CLOSE_STALLED_ROWS = """
UPDATE procrastinate_jobs SET
    status = (CASE WHEN queue_name <> %s AND attempts < 5 THEN 'todo' ELSE 'failed' END)
        ::procrastinate_job_status,
    attempts = attempts + 1, worker_id = NULL
WHERE status = 'doing' AND (
    worker_id IS NULL OR worker_id IN (
        SELECT id FROM procrastinate_workers
        WHERE last_heartbeat < now() - interval '30 seconds'))
"""

# Tasks that count as queued although no row of the queue will ever run them. Those that somebody
# changes this moment are left for the next sweep: it waits for nobody with some of them locked.
_REQUEUE_ORPHANS = """
UPDATE core_dicomtask SET queued = NULL, queue_job_id = NULL
WHERE id IN (
    SELECT id FROM core_dicomtask AS task
    WHERE state = 'PENDING' AND queued < now() - interval '5 seconds' AND NOT EXISTS (
        SELECT 1 FROM procrastinate_jobs
        WHERE id = task.queue_job_id AND status IN ('todo', 'doing'))
    FOR UPDATE SKIP LOCKED)
"""


def sweep() -> None:
    """Take back tasks whose lease has lapsed, orphans of the queue, and dispatch what is due."""
    take_lapsed()
    derive_stale()
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE_STALLED_ROWS, [DICOM_QUEUE])
        cursor.execute(_REQUEUE_ORPHANS)
    forget_silent_workers()
    sweep_archives()
    dispatch()


# Right after a start of the database all leases may have lapsed, and their workers be well: they
# get the time of a lease to say so.
_LAPSED = """
SELECT task.id, task.job_id, job.kind, task.lease, task.attempts
FROM core_dicomtask AS task JOIN core_dicomjob AS job ON job.id = task.job_id
WHERE task.state = 'IN_PROGRESS' AND task.lease_until < statement_timestamp()
  AND pg_postmaster_start_time() < statement_timestamp() - %s * interval '1 second'
"""


def take_lapsed() -> None:
    """Take tasks back from workers that are gone."""
    with connection.cursor() as cursor:
        cursor.execute(_LAPSED, [settings.TASK_LEASE_SECONDS])
        leases = [Lease(*row) for row in cursor.fetchall()]
    for lease in leases:
        with transaction.atomic():
            lock_job_state(lease.job_id)
            # A worker that was slow may have renewed it, or another sweep have taken it.
            lapsed = DicomTask.objects.select_for_update(no_key=True).filter(
                pk=lease.task_id, lease=lease.token, lease_until__lt=Now()
            )
            if lapsed.order_by().values_list("pk", flat=True):
                after_crash(lease, "Its worker broke off.")


def sweep_once() -> None:
    """Sweep and keep house; what fails holds up nothing else."""
    for step in (sweep, sweep_work_folders, keep_house):
        try:
            step()
        except (OperationalError, InterfaceError) as err:
            logger.warning("Sweep: the database is not reachable (%s)", type(err).__name__)
            return
        except DatabaseError as err:
            # Its text may quote what stands in the rows.
            logger.error("Sweep: %s failed (%s)", step.__name__, type(err).__name__)


async def sweep_forever() -> None:
    """Sweep every few seconds until canceled; a database that is away is waited for."""

    threads = DatabaseThreads(1, "sweep")
    while True:
        await threads.call(sweep_once)
        await asyncio.sleep(INTERVAL_SECONDS)

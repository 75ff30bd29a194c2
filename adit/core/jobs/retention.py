"""What is kept for a time only: rows of the queue that are done, raw logs, old jobs."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from adit.core.jobs.archives import give_up_parts
from adit.core.jobs.database_time import database_now
from adit.core.jobs.deletion import delete_with_tasks
from adit.core.jobs.states import lock_job
from adit.core.models import DicomJob, DicomTask

logger = logging.getLogger(__name__)

# Each worker looks once an hour; one at a time does the work.
_INTERVAL_SECONDS = 3600.0
_HOUSE_LOCK = 4127003
_AT_ONCE = 500

_DELETE_QUEUE_ROWS = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT job.id FROM procrastinate_jobs AS job
    WHERE job.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
      AND coalesce((SELECT max(at) FROM procrastinate_events WHERE job_id = job.id),
                   '-infinity') < now() - interval '1 day'
    LIMIT %s)
"""

_next_time = 0.0


def keep_house() -> bool:
    """Delete what is past its time, if the last look is long enough ago; returns whether it was."""
    global _next_time
    if time.monotonic() < _next_time:
        return False
    _next_time = time.monotonic() + _INTERVAL_SECONDS
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_HOUSE_LOCK])
        row = cursor.fetchone()
        if row is None or not row[0]:
            return False
        cursor.execute(_DELETE_QUEUE_ROWS, [10 * _AT_ONCE])
    clear_logs()
    delete_old_jobs()
    return True


def clear_logs() -> int:
    """Empty the raw logs of tasks that ended long ago; returns of how many."""
    if not settings.TASK_LOG_DAYS:
        return 0
    old = database_now() - timedelta(days=settings.TASK_LOG_DAYS)
    logged = DicomTask.objects.filter(
        job__end__lt=old, end__lt=old, state__in=DicomTask.ENDED
    ).exclude(log="")
    # Those of a job that somebody changes right now are left for the next time: it waits for nobody
    # with some of them locked.
    free = logged.order_by().select_for_update(skip_locked=True, no_key=True, of=("self",))
    with transaction.atomic():
        return DicomTask.objects.filter(pk__in=free.values("pk")).update(log="")


def delete_old_jobs() -> int:
    """Delete jobs that ended long ago, with their tasks and receipts; returns how many."""
    if not settings.JOB_RETENTION_DAYS:
        return 0
    old = database_now() - timedelta(days=settings.JOB_RETENTION_DAYS)
    ended = DicomJob.objects.filter(state__in=DicomJob.ENDED, end__lt=old).order_by("pk")
    number = 0
    for job_id in ended.values_list("pk", flat=True)[:_AT_ONCE]:
        try:
            number += _delete(job_id, old)
        except (OperationalError, InterfaceError):
            raise
        except Exception as err:
            # One that cannot be deleted holds up no other.
            logger.error("Job %s cannot be deleted: %s", job_id, type(err).__name__)
    if number:
        logger.info("Deleted %s jobs that were past their retention", number)
    return number


def _delete(job_id: int, old: datetime) -> bool:
    with transaction.atomic():
        job = lock_job(job_id)
        # It may have been restarted meanwhile.
        if job is None or not job.is_ended or job.end is None or job.end >= old:
            return False
        if give_up_parts(job_id):
            # They lie in the destination's folder, and nobody would know them without the job.
            return False
        delete_with_tasks(job)
        return True

"""The Procrastinate queues: `dicom` runs tasks, `default` does everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import QuerySet
from procrastinate import App, RetryStrategy, jobs
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.manager import JobManager

from adit.core.jobs.queue_ranks import ARCHIVE_RANK

if TYPE_CHECKING:
    from adit.core.models import DicomTask

DICOM_QUEUE = "dicom"
DEFAULT_QUEUE = "default"

RUN_TASK = "adit:run_task"
SEND_JOB_MAIL = "adit:send_job_mail"
RUN_ARCHIVE = "adit:run_archive"
SEND_FOLDER_MAIL = "adit:send_folder_mail"

# A mail server that is away for some minutes; seconds between two attempts.
MAIL_RETRIES = RetryStrategy(max_attempts=5, wait=60)


class Mail(StrEnum):
    """The mails about jobs."""

    FINISHED = "finished"
    FIRST_FAILURE = "first_failure"
    UNVERIFIED = "unverified"


# Rows are written through Django's own connection, inside a worker too, so that they belong to
# the transaction of the change that caused them.
_manager = JobManager(DjangoConnector())


def configure(app: App) -> None:
    """Register the queue's functions once Procrastinate is ready."""
    from adit.core.jobs.queue_tasks import blueprint

    app.add_tasks_from(blueprint, namespace="adit")


def _row(name: str, queue: str, priority: int = 0, **arguments: Any) -> jobs.Job:
    return jobs.Job(
        queue=queue,
        lock=None,
        queueing_lock=None,
        task_name=name,
        priority=priority,
        task_kwargs=arguments,
    )


def _defer(name: str, queue: str, priority: int = 0, **arguments: Any) -> int:
    job = _manager.defer_job(_row(name, queue, priority, **arguments))
    assert job.id is not None
    return job.id


def defer_tasks(tasks: Sequence[tuple[int, int]]) -> list[int]:
    """Queue the runs of tasks within the current transaction, in one statement.

    Args:
        tasks: the id and the rank of each (`queue_ranks`).

    Returns:
        The ids of the queue's rows, in the same order.
    """
    rows = _manager.batch_defer_jobs(
        [_row(RUN_TASK, DICOM_QUEUE, rank, task_id=pk) for pk, rank in tasks]
    )
    return [row.id for row in rows if row.id is not None]


def defer_mail(mail: Mail, job_id: int, state: str, message: str = "") -> int:
    """Queue a mail about a job within the current transaction: it is sent after the commit.

    It tells of the job as it is now, with its `state` and `message`, however late it is sent.
    """
    what: dict[str, Any] = {"mail": mail.value, "state": str(state), "message": message}
    return _defer(SEND_JOB_MAIL, DEFAULT_QUEUE, job_id=job_id, **what)


_WITHDRAW = "DELETE FROM procrastinate_jobs WHERE id = ANY(%s) AND status = 'todo'"
# A row that a worker takes, or somebody withdraws, this very moment is left alone. A worker that
# looked while the others were locked is told to look again.
_RANK = """
WITH free AS MATERIALIZED (
    SELECT id FROM procrastinate_jobs WHERE id = ANY(%(rows)s) AND status = 'todo'
    FOR UPDATE SKIP LOCKED
), written AS (
    UPDATE procrastinate_jobs AS job SET priority = wanted.rank
    FROM free JOIN (SELECT unnest(%(rows)s::bigint[]) AS id, unnest(%(ranks)s::int[]) AS rank)
        AS wanted ON wanted.id = free.id
    WHERE job.id = free.id RETURNING job.id
)
SELECT pg_notify('procrastinate_queue_v1#' || %(queue)s::text,
    json_build_object('type', 'job_inserted', 'job_id', max(id))::text)
FROM written HAVING count(*) > 0
"""


def withdraw(tasks: QuerySet[DicomTask]) -> None:
    """Take the rows of tasks out of the queue again that no worker has begun with.

    What a worker has begun with finds that the task is not to be run, and does nothing.
    """
    rows = [pk for pk in tasks.values_list("queue_job_id", flat=True) if pk is not None]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_WITHDRAW, [rows])


def rank(ranks: Mapping[int, int]) -> None:
    """Give waiting rows of the queue, named by their ids, other ranks: the largest goes first."""
    if ranks:
        values = {"rows": list(ranks), "ranks": list(ranks.values()), "queue": DICOM_QUEUE}
        with connection.cursor() as cursor:
            cursor.execute(_RANK, values)


def defer_archive(job_id: int) -> int:
    """Queue the assembly of a job's archive: with the tasks, whose workers see the folders."""
    return _defer(RUN_ARCHIVE, DICOM_QUEUE, ARCHIVE_RANK, job_id=job_id)


def defer_folder_mail(folder_id: int) -> int:
    """Queue the mail on a folder that has passed its warn size."""
    return _defer(SEND_FOLDER_MAIL, DEFAULT_QUEUE, folder_id=folder_id)

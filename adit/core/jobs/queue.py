"""The Procrastinate queues: `dicom` runs tasks, `default` does everything else."""

from __future__ import annotations

from typing import Any

from procrastinate import App, jobs
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.manager import JobManager

DICOM_QUEUE = "dicom"
DEFAULT_QUEUE = "default"

RUN_TASK = "adit:run_task"
SEND_JOB_MAIL = "adit:send_job_mail"
RUN_ARCHIVE = "adit:run_archive"
SEND_FOLDER_MAIL = "adit:send_folder_mail"

# Rows are written through Django's own connection, inside a worker too, so that they belong to
# the transaction of the change that caused them.
_manager = JobManager(DjangoConnector())


def configure(app: App) -> None:
    """Register the queue's functions once Procrastinate is ready."""
    from adit.core.jobs.queue_tasks import blueprint

    app.add_tasks_from(blueprint, namespace="adit")


def _defer(name: str, queue: str, priority: int = 0, **arguments: Any) -> int:
    job = _manager.defer_job(
        jobs.Job(
            queue=queue,
            lock=None,
            queueing_lock=None,
            task_name=name,
            priority=priority,
            task_kwargs=arguments,
        )
    )
    assert job.id is not None
    return job.id


def defer_task(task_id: int, priority: int) -> int:
    """Queue the run of a task within the current transaction; returns the queue row's id."""
    return _defer(RUN_TASK, DICOM_QUEUE, priority, task_id=task_id)


def defer_job_mail(job_id: int) -> int:
    """Queue the mail on the end of a job within the current transaction."""
    return _defer(SEND_JOB_MAIL, DEFAULT_QUEUE, job_id=job_id)


def defer_archive(job_id: int) -> int:
    """Queue the assembly of a job's archive: with the tasks, whose workers see the folders."""
    return _defer(RUN_ARCHIVE, DICOM_QUEUE, job_id=job_id)


def defer_folder_mail(folder_id: int) -> int:
    """Queue the mail on a folder that has passed its warn size."""
    return _defer(SEND_FOLDER_MAIL, DEFAULT_QUEUE, folder_id=folder_id)

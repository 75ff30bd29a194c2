"""PostgreSQL notifications that tell every web process what to render anew."""

from django.db import connection

# The payload is the id of the job that changed, or that something has changed that concerns all.
JOB_CHANNEL = "adit_job"
ALL_JOBS = "all"

# The payload is the id of a task whose run is to look at its lease at once.
RUN_CHANNEL = "adit_run"


def notify_job(job_id: int) -> None:
    """Say at commit that the job or one of its tasks has changed.

    PostgreSQL folds equal notifications of one transaction into one.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [JOB_CHANNEL, str(job_id)])


def notify_revoked(task_id: int) -> None:
    """Say at commit to the worker that runs the task that it was canceled or killed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [RUN_CHANNEL, str(task_id)])


def notify_all() -> None:
    """Say at commit that something has changed which may show on all pages: workers, servers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [JOB_CHANNEL, ALL_JOBS])

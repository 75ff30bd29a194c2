"""Writes the history of a task."""

from collections.abc import Collection

from django.db import connection

from adit.core.models import TaskEvent

_ADD = """
INSERT INTO core_taskevent (task_id, job_id, time, level, text)
SELECT id, job_id, statement_timestamp(), %s, %s FROM core_dicomtask WHERE id = %s
"""


def add_event(task_id: int, text: str, level: str = TaskEvent.Level.INFO) -> None:
    """Add a line to a task's history. `text` must hold no identifying value."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [str(level), text[:500], task_id])


_ADD_TO_MANY = """
INSERT INTO core_taskevent (task_id, job_id, time, level, text)
SELECT id, job_id, statement_timestamp(), %s, %s FROM core_dicomtask WHERE id = ANY(%s) ORDER BY id
"""


def add_events(task_ids: Collection[int], text: str, level: str = TaskEvent.Level.INFO) -> None:
    """Add the same line to the histories of many tasks, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD_TO_MANY, [str(level), text[:500], list(task_ids)])


_ADD_TO_JOB = """
INSERT INTO core_taskevent (task_id, job_id, time, level, text)
VALUES (NULL, %s, statement_timestamp(), %s, %s)
"""


def add_job_event(job_id: int, text: str, level: str = TaskEvent.Level.INFO) -> None:
    """Add a line to the history of a job that is about no single task of it."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD_TO_JOB, [job_id, str(level), text[:500]])


# How the history of a task tells of each start (`leases.claim`).
STARTED = "Started on "

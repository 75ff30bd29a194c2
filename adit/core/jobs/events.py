"""Writes the history of a task."""

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

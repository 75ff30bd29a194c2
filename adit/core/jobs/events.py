"""Writes the history of a task."""

from collections.abc import Collection

from django.db import connection

from adit.core.models import DicomTask, TaskEvent

_ADD = """
INSERT INTO core_taskevent (task_id, job_id, time, level, text)
SELECT id, job_id, statement_timestamp(), %s, %s FROM core_dicomtask WHERE id = %s
"""


def add_event(task_id: int, text: str, level: str = TaskEvent.Level.INFO) -> None:
    """Add a line to a task's history. `text` must hold no identifying value."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [str(level), text[:500], task_id])


# How the history of a task tells of each start (`leases.claim`). Unlike `DicomTask.start` it stays
# when a reset lets the task begin anew.
STARTED = "Started on "


def ever_started(task_ids: Collection[int]) -> set[int]:
    """Those of the tasks that were ever begun with, whatever was reset since."""
    told = TaskEvent.objects.filter(task_id__in=task_ids, text__startswith=STARTED)
    ran = DicomTask.objects.filter(pk__in=task_ids, start__isnull=False)
    return {*told.values_list("task_id", flat=True), *ran.values_list("pk", flat=True)}

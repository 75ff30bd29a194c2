"""Writes the history of a task."""

from adit.core.models import TaskEvent


def add_event(task_id: int, text: str, level: str = TaskEvent.Level.INFO) -> None:
    """Add a line to a task's history. `text` must hold no identifying value."""
    TaskEvent.objects.create(task_id=task_id, level=level, text=text[:500])

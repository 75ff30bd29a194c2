"""What happened to a task or to a job, for its owner to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from adit.core.models.jobs import DicomJob
from adit.core.models.tasks import DicomTask


class TaskEvent(models.Model):
    """One line of the history of a task, or without one of its job, free of identifying values."""

    class Level(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    task = models.ForeignKey(
        DicomTask, null=True, blank=True, on_delete=models.CASCADE, related_name="events"
    )
    # The job of the task once more: its last events are found among millions by one index. Nothing
    # checks it on insert, for that would wait for whoever has the job locked.
    job = models.ForeignKey(
        DicomJob,
        editable=False,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    time = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=8, choices=Level.choices, default=Level.INFO)
    text = models.CharField(max_length=500)

    if TYPE_CHECKING:
        job_id: int
        task_id: int | None

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["job", "-time", "-id"], name="event_of_job"),
            # What is about a job itself is shown with each of its tasks.
            models.Index(
                fields=["job"], name="event_of_job_itself", condition=models.Q(task__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"Event {self.pk}"

    def save(self, **options: Any) -> None:
        if self.task is not None:
            self.job_id = self.task.job_id
        super().save(**options)

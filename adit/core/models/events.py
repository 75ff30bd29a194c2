"""What happened to a task, for its owner to read."""

from django.db import models

from adit.core.models.tasks import DicomTask


class TaskEvent(models.Model):
    """One line of a task's history, free of identifying values."""

    class Level(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    task = models.ForeignKey(DicomTask, on_delete=models.CASCADE, related_name="events")
    time = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=8, choices=Level.choices, default=Level.INFO)
    text = models.CharField(max_length=500)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text

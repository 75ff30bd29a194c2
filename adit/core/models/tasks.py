"""A task: the part of a job that one worker does in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models
from django.urls import reverse

from adit.core.models.jobs import DicomJob
from adit.core.models.nodes import DicomNode


@dataclass(frozen=True)
class TaskResult:
    """How the work on a task ended. `state` is SUCCESS, WARNING or FAILURE of `DicomTask.State`.

    With `retry` the cause may pass: the task runs again if attempts are left, and ends in `state`
    only if none are.
    """

    state: str
    message: str
    retry: bool = False


class DicomTask(models.Model):
    """Every kind of task, in one table.

    A run owns its task by `lease`: who writes a result names the lease, and a run whose lease was
    taken away changes nothing.
    """

    class State(models.TextChoices):
        PENDING = "PENDING", "Pending"
        IN_PROGRESS = "IN_PROGRESS", "In progress"
        CANCELED = "CANCELED", "Canceled"
        SUCCESS = "SUCCESS", "Success"
        WARNING = "WARNING", "Warning"
        FAILURE = "FAILURE", "Failure"

    ENDED = (State.CANCELED, State.SUCCESS, State.WARNING, State.FAILURE)

    job = models.ForeignKey(DicomJob, on_delete=models.CASCADE, related_name="tasks")
    source = models.ForeignKey(DicomNode, on_delete=models.PROTECT, related_name="+")
    # The destination of a transfer once more, beside what the dispatcher looks at: it waits for a
    # destination that takes nothing now.
    delivers_to = models.ForeignKey(
        DicomNode,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    line = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    message = models.CharField(max_length=500, blank=True)
    log = models.TextField(blank=True)

    attempts = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    # Why it waits until `not_before`, where that is not the next attempt.
    waits_for = models.CharField(max_length=128, blank=True)
    queued = models.DateTimeField(null=True, blank=True)
    queue_job_id = models.BigIntegerField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=128, blank=True)
    cancel_requested = models.BooleanField(default=False)

    created = models.DateTimeField(auto_now_add=True)
    start = models.DateTimeField(null=True, blank=True)
    end = models.DateTimeField(null=True, blank=True)
    # Of the last run: when it began, and how many instances were done by then.
    run_start = models.DateTimeField(null=True, blank=True, editable=False)
    done_before = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    protocol = models.CharField(max_length=64, blank=True)
    phase = models.CharField(max_length=32, blank=True)
    instances_expected = models.PositiveIntegerField(default=0)
    instances_done = models.PositiveIntegerField(default=0)
    bytes_done = models.BigIntegerField(default=0)
    instances_per_second = models.FloatField(default=0)

    if TYPE_CHECKING:
        objects: Any
        id: int
        job_id: int
        source_id: int
        delivers_to_id: int | None
        series: Any
        events: Any

    class Meta:
        ordering = ["job", "line", "id"]
        indexes = [
            models.Index(fields=["job", "state"]),
            models.Index(fields=["job", "line", "id"]),
            # What the dispatcher looks at: the first waiting tasks of each job at each source.
            models.Index(
                fields=["job", "source", "id"],
                include=["delivers_to"],
                name="task_waiting",
                condition=models.Q(state="PENDING"),
            ),
            models.Index(
                fields=["lease"], name="task_lease", condition=models.Q(lease__isnull=False)
            ),
            models.Index(
                fields=["lease_until"],
                name="task_lease_until",
                condition=models.Q(lease__isnull=False),
            ),
            models.Index(
                fields=["queued"], name="task_queued", condition=models.Q(queued__isnull=False)
            ),
            models.Index(
                fields=["source", "state"],
                name="task_open_by_source",
                condition=models.Q(state__in=["PENDING", "IN_PROGRESS"]),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    state__in=[
                        "PENDING",
                        "IN_PROGRESS",
                        "CANCELED",
                        "SUCCESS",
                        "WARNING",
                        "FAILURE",
                    ]
                ),
                name="task_state_known",
            ),
            models.CheckConstraint(
                condition=models.Q(state="IN_PROGRESS", lease__isnull=False)
                | (~models.Q(state="IN_PROGRESS") & models.Q(lease__isnull=True)),
                name="task_lease_while_running",
            ),
        ]

    def __str__(self) -> str:
        return f"Task {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("core:task_detail", args=[self.pk])

    @property
    def is_ended(self) -> bool:
        return self.state in self.ENDED

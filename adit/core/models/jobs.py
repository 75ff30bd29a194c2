"""A job: what a user asked for, made of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.urls import reverse

if TYPE_CHECKING:
    from adit.accounts.models import User


class DicomJobQuerySet(models.QuerySet["DicomJob"]):
    def visible_to(self, user: User) -> DicomJobQuerySet:
        """A user sees the jobs of his own, staff sees all."""
        return self if user.is_staff else self.filter(owner=user)


class DicomJob(models.Model):
    """Every kind of job, in one table. `kind` names the app that made it."""

    class State(models.TextChoices):
        UNVERIFIED = "UNVERIFIED", "Unverified"
        PENDING = "PENDING", "Pending"
        IN_PROGRESS = "IN_PROGRESS", "In progress"
        CANCELING = "CANCELING", "Canceling"
        CANCELED = "CANCELED", "Canceled"
        SUCCESS = "SUCCESS", "Success"
        WARNING = "WARNING", "Warning"
        FAILURE = "FAILURE", "Failure"

    ENDED = (State.CANCELED, State.SUCCESS, State.WARNING, State.FAILURE)

    kind = models.CharField(max_length=32, db_index=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs"
    )
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.SET_NULL)
    state = models.CharField(max_length=16, choices=State.choices, default=State.UNVERIFIED)
    message = models.CharField(max_length=500, blank=True)
    urgent = models.BooleanField(default=False)
    send_finished_mail = models.BooleanField(default=False)
    # The owner is told of the first failure only, once in the life of the job.
    failure_mailed = models.BooleanField(default=False, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    start = models.DateTimeField(null=True, blank=True)
    # Since when it works on its tasks, and how long it did so before; when it has ended, and until
    # somebody opens it again, it does not.
    active_since = models.DateTimeField(null=True, blank=True, editable=False)
    active_seconds = models.FloatField(default=0, db_default=0, editable=False)
    end = models.DateTimeField(null=True, blank=True)

    objects: Any = DicomJobQuerySet.as_manager()

    if TYPE_CHECKING:
        id: int
        tasks: Any
        owner_id: int

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["owner", "-id"]),
            models.Index(fields=["state", "-id"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    state__in=[
                        "UNVERIFIED",
                        "PENDING",
                        "IN_PROGRESS",
                        "CANCELING",
                        "CANCELED",
                        "SUCCESS",
                        "WARNING",
                        "FAILURE",
                    ]
                ),
                name="job_state_known",
            )
        ]
        permissions = [
            ("can_process_urgently", "Can process jobs urgently"),
            ("can_transfer_unpseudonymized", "Can transfer without a pseudonym"),
            ("query_dicom_server", "Can query DICOM servers"),
        ]

    def __str__(self) -> str:
        return f"Job {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("core:job_detail", args=[self.pk])

    @property
    def is_ended(self) -> bool:
        return self.state in self.ENDED

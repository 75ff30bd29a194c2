"""The password-protected archive of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from adit.core.models.encrypted import EncryptedTextField
from adit.core.models.jobs import DicomJob
from adit.core.models.nodes import DicomNode


class JobArchive(models.Model):
    """One archive of all that the tasks of a job deliver.

    It waits while tasks are open, is queued when all have ended, and is assembled by the one run
    that holds `lease`. `password` and `parts_key` are kept, encrypted, only as long as the job may
    still need them.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits for the tasks"
        QUEUED = "QUEUED", "Queued"
        ASSEMBLING = "ASSEMBLING", "Being assembled"
        DONE = "DONE", "Whole and tested"
        EMPTY = "EMPTY", "Nothing to put in"
        CANCELED = "CANCELED", "Canceled"
        FAILED = "FAILED", "Failed"

    OPEN = (State.WAITING, State.QUEUED, State.ASSEMBLING)

    job = models.OneToOneField(DicomJob, on_delete=models.CASCADE, related_name="archive")
    node = models.ForeignKey(DicomNode, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=255, help_text="Of the file, relative to the folder.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    message = models.CharField(max_length=500, blank=True)

    password = EncryptedTextField(blank=True, editable=False)
    parts_key = EncryptedTextField(blank=True, editable=False)

    attempts = models.PositiveSmallIntegerField(default=0)
    queue_job_id = models.BigIntegerField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=128, blank=True)

    files = models.PositiveIntegerField(default=0)
    files_done = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    # When the archive was last finished; parts and keys of a job that could still be retried go
    # some days after this.
    ended = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        objects: Any
        job_id: int
        node_id: int

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="ASSEMBLING", lease__isnull=False)
                | (~models.Q(state="ASSEMBLING") & models.Q(lease__isnull=True)),
                name="archive_lease_while_assembling",
            )
        ]

    def __str__(self) -> str:
        return f"Archive of job {self.job_id}"

    @property
    def can_be_assembled(self) -> bool:
        """Whether the keys are still there."""
        return bool(self.password and self.parts_key)

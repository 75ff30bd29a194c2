"""What receivers hold for workers."""

from django.db import models
from django.utils import timezone


class ReceivedInstance(models.Model):
    """An instance that lies durably in a receiver's spool until a worker has taken it over."""

    receiver = models.CharField(max_length=64)
    path = models.CharField(max_length=255, help_text="Relative to the receiver's spool.")
    sop_class_uid = models.CharField(max_length=64)
    sop_instance_uid = models.CharField(max_length=64, db_index=True)
    study_instance_uid = models.CharField(max_length=64, blank=True, db_index=True)
    series_instance_uid = models.CharField(max_length=64, blank=True)
    transfer_syntax_uid = models.CharField(max_length=64)
    calling_ae_title = models.CharField("sender", max_length=16)
    address = models.CharField(max_length=64, blank=True, help_text="Of the sender.")
    called_ae_title = models.CharField(max_length=16)
    move_originator_ae_title = models.CharField(max_length=16, blank=True)
    move_originator_message_id = models.PositiveIntegerField(null=True, blank=True)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField(default=timezone.now)
    claimed_by = models.UUIDField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)
    # The same SOP Instance UID came twice with different content: no task gets the second one.
    conflicting = models.BooleanField(default=False)
    # The receiver deletes the file, then the row; only it can.
    discarded = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["receiver", "path"], name="one_row_per_spool_file")
        ]
        indexes = [
            models.Index(
                fields=["receiver"], condition=models.Q(discarded=True), name="discarded_instances"
            )
        ]

    def __str__(self) -> str:
        return f"Received instance {self.pk}"

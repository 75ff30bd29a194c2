"""What receivers hold for workers, and the receivers themselves."""

from django.db import models


class Receiver(models.Model):
    """A receiver process: a C-STORE SCP with a spool, and the address where workers fetch from."""

    name = models.CharField(max_length=64, unique=True)
    file_transmit_host = models.CharField(max_length=255)
    file_transmit_port = models.PositiveIntegerField()
    spool_path = models.CharField(max_length=255)
    heartbeat = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class ReceivedInstance(models.Model):
    """An instance that lies durably in a receiver's spool until a worker has taken it over."""

    receiver = models.CharField(max_length=64)
    path = models.CharField(max_length=255, help_text="Relative to the receiver's spool.")
    sop_class_uid = models.CharField(max_length=64)
    sop_instance_uid = models.CharField(max_length=64, db_index=True)
    study_instance_uid = models.CharField(max_length=64, blank=True, db_index=True)
    series_instance_uid = models.CharField(max_length=64, blank=True)
    transfer_syntax_uid = models.CharField(max_length=64)
    calling_ae_title = models.CharField(max_length=16)
    called_ae_title = models.CharField(max_length=16)
    move_originator_ae_title = models.CharField(max_length=16, blank=True)
    move_originator_message_id = models.PositiveIntegerField(null=True, blank=True)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField(auto_now_add=True)
    claimed_by = models.UUIDField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["receiver", "path"], name="one_row_per_spool_file")
        ]

    def __str__(self) -> str:
        return f"Received instance {self.pk}"

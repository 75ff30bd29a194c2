"""The ledger: what was expected, received, sent and confirmed of each series of a task."""

from django.db import models

from adit.core.models.tasks import DicomTask


class SeriesTransfer(models.Model):
    """One series of one task. `instances` holds a record per instance in the compact form of
    `adit.core.models.records`."""

    class State(models.TextChoices):
        PENDING = "PENDING", "Pending"
        IN_PROGRESS = "IN_PROGRESS", "In progress"
        SUCCESS = "SUCCESS", "Success"
        WARNING = "WARNING", "Warning"
        FAILURE = "FAILURE", "Failure"
        EXCLUDED = "EXCLUDED", "Excluded"
        CANCELED = "CANCELED", "Canceled"

    task = models.ForeignKey(DicomTask, on_delete=models.CASCADE, related_name="series")
    series_instance_uid = models.CharField(max_length=64)
    new_series_instance_uid = models.CharField(max_length=64, blank=True)
    series_number = models.IntegerField(null=True, blank=True)
    modality = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=255, blank=True)

    # True where the source names its instances, False where it tells only how many there are.
    instances_named = models.BooleanField(default=True)
    instances_listed = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many the source lists where it has more; else empty."
    )
    expected = models.PositiveIntegerField(default=0)
    received = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    confirmed = models.PositiveIntegerField(default=0)
    excluded = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # Held once, then released or discarded by staff; these count under their state as well.
    released = models.PositiveIntegerField(default=0)
    discarded = models.PositiveIntegerField(default=0)
    bytes_received = models.BigIntegerField(default=0)
    bytes_sent = models.BigIntegerField(default=0)
    instances = models.BinaryField(default=b"")
    # What the de-identification did to the instances sent: numbers of elements by action, and of
    # attributes nobody knows. Never values.
    deid_counts = models.JSONField(default=dict, blank=True)
    # What was made of the series where it was converted: `[{"name", "size", "sha256"}]`.
    files = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["task", "series_number", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["task", "series_instance_uid"], name="one_row_per_series_and_task"
            )
        ]
        indexes = [
            models.Index(fields=["-id"], name="series_with_held", condition=models.Q(held__gt=0))
        ]
        permissions = [
            ("view_identifiers_in_receipts", "Can see identifiers of the source in receipts")
        ]

    def __str__(self) -> str:
        return f"Series {self.series_number} of task {self.task_id}"  # type: ignore[attr-defined]

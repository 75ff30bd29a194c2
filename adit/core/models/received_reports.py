"""Reports of storage commitment (PS3.4 Annex J) that PACS sent to a receiver."""

from django.db import models


class ReceivedReport(models.Model):
    """One N-EVENT-REPORT, kept until the worker that asked has read it, or it is too old."""

    transaction_uid = models.CharField(max_length=64, db_index=True)
    calling_ae_title = models.CharField("sender", max_length=16)
    address = models.CharField(max_length=64, blank=True, help_text="Of the sender.")
    receiver = models.CharField(max_length=64)
    committed = models.JSONField(
        default=dict, help_text="SOP Class UIDs by SOP Instance UID of what is safe."
    )
    failed = models.JSONField(default=dict, help_text="Failure Reasons by SOP Instance UID.")
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-received_at"]

    def __str__(self) -> str:
        return f"Received report {self.pk}"


class ExpectedReport(models.Model):
    """A request for storage commitment on which a worker waits for reports, and who may report."""

    transaction_uid = models.CharField(max_length=64, unique=True)
    ae_titles = models.JSONField(default=list, help_text="Of the server that was asked.")
    foreign_addresses = models.JSONField(
        default=list, help_text="Of other servers with one of these AE titles."
    )
    requested_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Expected report {self.pk}"

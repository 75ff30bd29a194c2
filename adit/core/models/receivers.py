"""The receivers, and whom they refused."""

from django.db import models


class Receiver(models.Model):
    """A receiver: a C-STORE SCP with a spool, and the address where workers fetch from."""

    name = models.CharField(max_length=64, unique=True)
    ae_title = models.CharField("AE title", max_length=16, blank=True)
    file_transmit_host = models.CharField(max_length=255)
    file_transmit_port = models.PositiveIntegerField()
    file_transmit_fingerprint = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 of the certificate that workers insist on; empty without TLS.",
    )
    spool_path = models.CharField(max_length=255)
    spool_token = models.CharField(
        max_length=64,
        blank=True,
        help_text="What a file in the spool holds; who reads it there sees the same file system.",
    )
    free_bytes = models.BigIntegerField(null=True, blank=True)
    takes = models.BooleanField(
        "takes instances", default=True, help_text="Off while its disk is full, and when stopped."
    )
    heartbeat = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class RefusedSender(models.Model):
    """How often a receiver refused associations or reports of one sender, and why."""

    class Reason(models.TextChoices):
        CALLED = "called", "called by a name that is not the receiver's"
        CALLING = "calling", "AE title not configured"
        ADDRESS = "address", "address not that of the configured server"
        LIMIT = "limit", "too many associations"
        UNREADY = "unready", "configuration not read yet"
        TLS = "tls", "TLS handshake failed"
        MALFORMED = "malformed", "association request cannot be read"
        VERSION = "version", "protocol version not supported"
        CONTEXT = "context", "application context name not supported"
        REPORT = "report", "storage commitment report not from the server that was asked"

    receiver = models.CharField(max_length=64)
    reason = models.CharField(max_length=16, choices=Reason.choices)
    address = models.CharField(max_length=64, blank=True)
    calling_ae_title = models.CharField("calling AE title", max_length=16, blank=True)
    called_ae_title = models.CharField("called AE title", max_length=16, blank=True)
    count = models.PositiveBigIntegerField(default=0)
    first = models.DateTimeField(auto_now_add=True)
    last = models.DateTimeField()

    class Meta:
        ordering = ["-last"]
        constraints = [
            models.UniqueConstraint(
                fields=["receiver", "reason", "address", "calling_ae_title", "called_ae_title"],
                name="one_row_per_refusal",
            )
        ]

    def __str__(self) -> str:
        return f"{self.calling_ae_title} at {self.address}: {self.Reason(self.reason).label}"

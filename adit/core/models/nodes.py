"""Where instances come from and go to: DICOM servers and folders."""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from adit.core.dicom import (
    QueryProtocol,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    TlsConfig,
)
from adit.core.dicom.charsets import is_character_set
from adit.core.dicom.dicomweb.client import is_field_value
from adit.core.models.encrypted import EncryptedTextField

if TYPE_CHECKING:
    from adit.accounts.models import User

ae_title_validator = RegexValidator(
    r"^(?! +$)(?!\*$)[^\\\x00-\x1f\x7f-\uffff]{1,16}$",
    "An AE title has 1 to 16 printable ASCII characters and no backslash, and is not * alone.",
)

host_validator = RegexValidator(
    r"^[^\s/*@\\]+$", "This is one host: its name or its IP address, without a network or port."
)


def split_ae_titles(text: str) -> tuple[str, ...]:
    """The AE titles in a list with commas."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def validate_ae_titles(text: str) -> None:
    """Raise where one of them is none."""
    for ae_title in split_ae_titles(text):
        ae_title_validator(ae_title)


def validate_time_zone(name: str) -> None:
    """Raise where there is no such time zone."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"There is no time zone {name}.")


def validate_authorization(value: str) -> None:
    """Raise, without the value, where it cannot be that of an HTTP header."""
    if not is_field_value(value):
        raise ValidationError(
            "The value of a header is one line of printable ASCII characters, as in "
            "Basic YWRpdDpzZWNyZXQ=."
        )


def validate_character_set(term: str) -> None:
    """Raise where a text is no defined term for a character set (PS3.3 C.12.1.1.2)."""
    if not is_character_set(term):
        raise ValidationError(
            f"{term} is no character set that is known here. Enter a defined term of DICOM, as "
            "ISO_IR 100, ISO_IR 192 or ISO 2022 IR 87."
        )


class DicomNodeQuerySet(models.QuerySet["DicomNode"]):
    def sources_of(self, user: User) -> DicomNodeQuerySet:
        """The active nodes that the user's active group may read from."""
        return self.filter(
            is_active=True, accesses__group=user.active_group_id, accesses__source=True
        )

    def destinations_of(self, user: User) -> DicomNodeQuerySet:
        """The active nodes that the user's active group may write to."""
        return self.filter(
            is_active=True, accesses__group=user.active_group_id, accesses__destination=True
        )


class DicomNode(models.Model):
    """A place that holds instances. Which group may use it says `DicomNodeGroupAccess`."""

    class Kind(models.TextChoices):
        SERVER = "server", "Server"
        FOLDER = "folder", "Folder"

    kind = models.CharField(max_length=16, choices=Kind.choices, editable=False)
    name = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField(default=True)

    objects: Any = DicomNodeQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DicomServer(DicomNode):
    """A PACS that is reached by DIMSE (PS3.7), DICOMweb (PS3.18) or both."""

    ae_title = models.CharField("AE title", max_length=16, validators=[ae_title_validator])
    host = models.CharField(max_length=255, validators=[host_validator])
    port = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(65535)])
    sender_ae_titles = models.CharField(
        "AE titles of its senders",
        max_length=255,
        blank=True,
        validators=[validate_ae_titles],
        help_text="Separated by commas. Under which it sends after a C-MOVE, where that is not its "
        "own AE title. What another configured server sends is not taken for its answer.",
    )

    patient_root_find_support = models.BooleanField(default=True)
    patient_root_get_support = models.BooleanField(default=True)
    patient_root_move_support = models.BooleanField(default=True)
    study_root_find_support = models.BooleanField(default=True)
    study_root_get_support = models.BooleanField(default=True)
    study_root_move_support = models.BooleanField(default=True)
    store_scp_support = models.BooleanField("C-STORE support", default=True)
    storage_commitment_support = models.BooleanField(
        "storage commitment",
        default=False,
        help_text="Asked as proof of delivery where a query does not show what was sent. The "
        "server must know the receiver's AE title, host and port to report.",
    )

    dicomweb_root_url = models.URLField(blank=True)
    dicomweb_qido_prefix = models.CharField(max_length=255, blank=True)
    dicomweb_wado_prefix = models.CharField(max_length=255, blank=True)
    dicomweb_stow_prefix = models.CharField(max_length=255, blank=True)
    dicomweb_qido_support = models.BooleanField("QIDO-RS support", default=False)
    dicomweb_wado_support = models.BooleanField("WADO-RS support", default=False)
    dicomweb_stow_support = models.BooleanField("STOW-RS support", default=False)
    dicomweb_authorization = EncryptedTextField(
        blank=True,
        validators=[validate_authorization],
        help_text="Value of the Authorization header; stored encrypted, not shown again.",
    )

    preferred_query = models.CharField(
        max_length=16, blank=True, choices=[(p.value, p.value) for p in QueryProtocol]
    )
    preferred_retrieve = models.CharField(
        max_length=16, blank=True, choices=[(p.value, p.value) for p in RetrieveProtocol]
    )
    preferred_store = models.CharField(
        max_length=16, blank=True, choices=[(p.value, p.value) for p in StoreProtocol]
    )

    max_search_results = models.PositiveIntegerField(
        default=200,
        validators=[MinValueValidator(1)],
        help_text="The most answers that this server gives to one query.",
    )
    character_set_fallback = models.CharField(
        max_length=32,
        default="ISO_IR 100",
        validators=[validate_character_set],
        help_text="Of answers that name none; tried first for queries.",
    )
    max_tasks = models.PositiveSmallIntegerField(
        "tasks at once",
        default=2,
        validators=[MinValueValidator(1)],
        help_text="How many tasks may read from this server at the same time, over all workers.",
    )
    max_associations = models.PositiveSmallIntegerField(
        "associations at once",
        default=4,
        validators=[MinValueValidator(1)],
        help_text="How many associations may be open with this server at the same time, over all "
        "tasks, searches and previews.",
    )
    max_instances_per_second = models.PositiveIntegerField(
        "instances per second",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many instances all tasks together may take from this server, or bring to "
        "it, in a second. Empty: as fast as it goes.",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text="In which the hours are meant, for instance Europe/Berlin. Empty: the one of "
        "the whole system.",
    )
    urgent_ignores_hours = models.BooleanField("urgent jobs ignore the hours", default=False)
    task_attempts = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How often a task with this source is tried. Empty: as everywhere.",
    )
    task_retry_waits = models.CharField(
        "waits between attempts",
        max_length=64,
        blank=True,
        validators=[RegexValidator(r"^\d{1,6}( *, *\d{1,6})*$", "Seconds, separated by commas.")],
        help_text="Seconds, separated by commas; the last counts on. Empty: as everywhere.",
    )
    is_suspended = models.BooleanField(
        "suspended", default=False, help_text="Running tasks finish, nothing new starts."
    )

    connect_timeout = models.PositiveSmallIntegerField(
        blank=True,
        null=True,
        validators=[MinValueValidator(1)],
        help_text="Seconds; empty: 10.",
    )
    acse_timeout = models.PositiveSmallIntegerField(
        blank=True,
        null=True,
        validators=[MinValueValidator(1)],
        help_text="Seconds until an association is accepted; empty: 30.",
    )
    network_timeout = models.PositiveSmallIntegerField(
        blank=True,
        null=True,
        validators=[MinValueValidator(1)],
        help_text="Seconds until a request is answered; empty: 120.",
    )
    progress_timeout = models.PositiveSmallIntegerField(
        blank=True,
        null=True,
        validators=[MinValueValidator(1)],
        help_text="Seconds without a new instance, after which a retrieval ends; empty: as set.",
    )

    tls_enabled = models.BooleanField("TLS", default=False)
    tls_ca_file = models.CharField("CA file", max_length=255, blank=True)
    tls_certificate_file = models.CharField("client certificate file", max_length=255, blank=True)
    tls_key_file = models.CharField("client key file", max_length=255, blank=True)
    tls_check_hostname = models.BooleanField("check host name", default=True)

    class Meta:
        verbose_name = "DICOM server"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.kind = DicomNode.Kind.SERVER
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Refuse a second server that would send to the receiver under the same name.

        Raises:
            ValidationError: Who sends could not be told (PS3.7 D.3.3 knows nothing but AE title
                and address).
        """
        super().clean()
        moves = models.Q(study_root_move_support=True) | models.Q(patient_root_move_support=True)
        if not self.is_active or not (
            self.study_root_move_support or self.patient_root_move_support
        ):
            return
        others = DicomServer.objects.filter(
            moves, is_active=True, ae_title=self.ae_title, host__iexact=self.host
        )
        if other := others.exclude(pk=self.pk).first():
            raise ValidationError(
                f"{other} has the same AE title at the same host, and sends after a C-MOVE, too. "
                "What one of them sends could be taken for the other's. Give one of them another "
                "AE title, switch its C-MOVE off, or make it inactive."
            )

    def tls_config(self) -> TlsConfig | None:
        if not self.tls_enabled:
            return None

        def path(value: str) -> Path | None:
            return Path(value) if value else None

        return TlsConfig(
            ca_file=path(self.tls_ca_file),
            certificate_file=path(self.tls_certificate_file),
            key_file=path(self.tls_key_file),
            check_hostname=self.tls_check_hostname,
        )

    def to_config(self) -> ServerConfig:
        """What the DICOM layer needs to know of this server."""
        return ServerConfig(
            name=self.name,
            ae_title=self.ae_title,
            host=self.host,
            port=self.port,
            sender_ae_titles=split_ae_titles(self.sender_ae_titles),
            patient_root_find_support=self.patient_root_find_support,
            patient_root_get_support=self.patient_root_get_support,
            patient_root_move_support=self.patient_root_move_support,
            study_root_find_support=self.study_root_find_support,
            study_root_get_support=self.study_root_get_support,
            study_root_move_support=self.study_root_move_support,
            store_scp_support=self.store_scp_support,
            storage_commitment_support=self.storage_commitment_support,
            dicomweb_root_url=self.dicomweb_root_url,
            dicomweb_qido_prefix=self.dicomweb_qido_prefix,
            dicomweb_wado_prefix=self.dicomweb_wado_prefix,
            dicomweb_stow_prefix=self.dicomweb_stow_prefix,
            dicomweb_qido_support=self.dicomweb_qido_support,
            dicomweb_wado_support=self.dicomweb_wado_support,
            dicomweb_stow_support=self.dicomweb_stow_support,
            dicomweb_authorization=self.dicomweb_authorization,
            max_search_results=self.max_search_results,
            character_set_fallback=self.character_set_fallback,
            preferred_query=QueryProtocol(self.preferred_query) if self.preferred_query else None,
            preferred_retrieve=(
                RetrieveProtocol(self.preferred_retrieve) if self.preferred_retrieve else None
            ),
            preferred_store=StoreProtocol(self.preferred_store) if self.preferred_store else None,
            max_associations=self.max_associations,
            connect_timeout=self.connect_timeout or None,
            acse_timeout=self.acse_timeout or None,
            network_timeout=self.network_timeout or None,
            progress_timeout=self.progress_timeout or None,
            tls=self.tls_config(),
        )


class DicomFolder(DicomNode):
    """A folder that workers write to; a destination only."""

    path = models.CharField(max_length=255, help_text="Absolute, or below MOUNT_DIR.")
    series_folders = models.BooleanField("one folder per series", default=True)
    quota = models.BigIntegerField(
        "quota in bytes",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="No transfer fills the folder beyond it. Empty: no limit but the disk.",
    )
    warn_size = models.BigIntegerField(
        "warn size in bytes",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Staff gets one mail when the folder grows beyond it.",
    )
    # Kept up to date while a quota or a warn size is set, see adit.core.transfer.quota.
    used_bytes = models.BigIntegerField("bytes in use", default=0, editable=False)
    measured = models.DateTimeField(null=True, blank=True, editable=False)
    warned = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "DICOM folder"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.kind = DicomNode.Kind.FOLDER
        super().save(*args, **kwargs)

    def root(self) -> Path:
        """The folder as workers see it; a relative path counts from MOUNT_DIR."""
        return Path(settings.MOUNT_DIR) / self.path


class DicomNodeGroupAccess(models.Model):
    """What a group may do with a node."""

    node = models.ForeignKey(DicomNode, on_delete=models.CASCADE, related_name="accesses")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="node_accesses")
    source = models.BooleanField(default=False)
    destination = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "group"], name="one_access_per_node_and_group")
        ]
        verbose_name = "node access"
        verbose_name_plural = "node accesses"

    def __str__(self) -> str:
        return f"{self.group} on {self.node}"

"""What a receiver must know of itself."""

import socket
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from .allowlist import Sender
from .spool import Spool
from .tls import AcceptorTls

_ANY_ADDRESS = {"", "0.0.0.0", "::"}


@dataclass(frozen=True, kw_only=True)
class ReceiverConfig:
    """One receiver. Sizes in bytes, times in seconds where they are no timedelta.

    Attributes:
        name: Its own among all receivers.
        ae_title: What it is called by; receivers of the same title stand behind one address.
        event_titles: Further titles under which reports of storage commitment come.
        advertised_host: Under which workers of other hosts reach this one.
        reserve_bytes: Space on the disk below which C-STORE answers A700.
        drain_seconds: How long an instance that is arriving may take when the receiver stops.
    """

    name: str
    ae_title: str
    event_titles: frozenset[str] = frozenset()
    store_address: tuple[str, int]
    transmit_address: tuple[str, int]
    advertised_host: str
    key: str = field(repr=False)
    spool_folder: Path
    reserve_bytes: int = 0
    quarantine_after: timedelta = timedelta(hours=1)
    delete_after: timedelta = timedelta(days=30)
    processes: int = 1
    max_associations: int = 100
    check_caller: bool = True
    check_address: bool = True
    further_senders: tuple[Sender, ...] = ()
    drain_seconds: float = 10
    store_tls: AcceptorTls | None = None
    transmit_tls: AcceptorTls | None = None

    def spool(self, slot: int = 0) -> Spool:
        """The spool, as the process of that number uses it."""
        return Spool(self.spool_folder, reserve_bytes=self.reserve_bytes, slot=slot)


def config_from_settings(*, name: str = "", advertised_host: str = "") -> ReceiverConfig:
    """The receiver of these settings.

    Raises:
        BadSender: A further sender is not understood.
    """
    name = name or settings.RECEIVER_NAME
    return ReceiverConfig(
        name=name,
        ae_title=settings.RECEIVER_AE_TITLE,
        event_titles=frozenset({settings.CALLING_AE_TITLE}),
        store_address=(settings.STORE_SCP_HOST, settings.STORE_SCP_PORT),
        transmit_address=(settings.FILE_TRANSMIT_HOST, settings.FILE_TRANSMIT_PORT),
        advertised_host=advertised_host or settings.FILE_TRANSMIT_ADVERTISED_HOST or _own_host(),
        key=settings.FILE_TRANSMIT_KEY,
        spool_folder=settings.SPOOL_DIR / name,
        reserve_bytes=settings.SPOOL_RESERVE_MB * 1024 * 1024,
        quarantine_after=timedelta(minutes=settings.QUARANTINE_AFTER_MINUTES),
        delete_after=timedelta(days=settings.QUARANTINE_DELETE_DAYS),
        processes=settings.RECEIVER_PROCESSES,
        max_associations=settings.RECEIVER_MAX_ASSOCIATIONS,
        check_caller=settings.RECEIVER_CHECK_CALLER,
        check_address=settings.RECEIVER_CHECK_ADDRESS,
        further_senders=tuple(map(Sender.parse, settings.RECEIVER_EXTRA_SENDERS)),
        drain_seconds=settings.RECEIVER_DRAIN_SECONDS,
        store_tls=_tls("STORE_SCP_TLS"),
        transmit_tls=_tls("FILE_TRANSMIT_TLS"),
    )


def _own_host() -> str:
    host = settings.FILE_TRANSMIT_HOST
    return socket.gethostname() if host in _ANY_ADDRESS else host


def _tls(prefix: str) -> AcceptorTls | None:
    certificate = getattr(settings, f"{prefix}_CERTIFICATE")
    if not certificate:
        return None
    key = getattr(settings, f"{prefix}_KEY")
    # Workers prove themselves by the shared key; only senders may have to show a certificate.
    is_for_senders = prefix == "STORE_SCP_TLS"
    ca = settings.STORE_SCP_TLS_CA if is_for_senders else ""
    return AcceptorTls(
        certificate=Path(certificate),
        key=Path(key) if key else None,
        ca=Path(ca) if ca else None,
        require_client_certificate=is_for_senders and settings.STORE_SCP_TLS_REQUIRE_CERTIFICATE,
    )

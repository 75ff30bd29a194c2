"""What the DICOM layer must know about a peer and about ourselves."""

from __future__ import annotations

import ssl
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from .cancel import CancelToken


class QueryProtocol(StrEnum):
    """How to ask a peer what it holds."""

    C_FIND = "C-FIND"
    QIDO_RS = "QIDO-RS"


class RetrieveProtocol(StrEnum):
    """How to bring instances from a peer to us."""

    WADO_RS = "WADO-RS"
    C_GET = "C-GET"
    C_MOVE = "C-MOVE"


class StoreProtocol(StrEnum):
    """How to bring instances from us to a peer."""

    C_STORE = "C-STORE"
    STOW_RS = "STOW-RS"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """TLS as a requestor (PS3.15 Annex B.9 to B.12).

    Attributes:
        ca_file: PEM file of the trusted authorities; the system's where it is None.
        certificate_file: PEM file of our own certificate (and chain), for peers that want one.
        key_file: PEM file of its key; None where the key is in `certificate_file`.
        check_hostname: Whether the peer's certificate must name the host that we call.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True

    def ssl_context(self) -> ssl.SSLContext:
        """Returns a context for outgoing connections; the peer's certificate is always verified.

        Raises:
            OSError: If one of the files cannot be read (`ssl.SSLError` where it is no PEM file).
        """
        context = ssl.create_default_context(
            ssl.Purpose.SERVER_AUTH, cafile=str(self.ca_file) if self.ca_file else None
        )
        context.check_hostname = self.check_hostname
        if self.certificate_file:
            context.load_cert_chain(
                str(self.certificate_file), str(self.key_file) if self.key_file else None
            )
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """A PACS: where it is, what it can do, how it wants to be spoken to.

    Attributes:
        name: The name that users know; it stands in error messages.
        sender_ae_titles: Those under which it sends after a C-MOVE, besides its own.
        dicomweb_root_url: Root of its DICOMweb services; the prefixes are appended to it.
        dicomweb_authorization: Value of the Authorization header, or "".
        max_search_results: A patient or study query ends after so many results; a list of exactly
            so many series or instances may be cut.
        character_set_fallback: Specific Character Set (PS3.3 C.12.1.1.2) assumed in answers that
            name none, and tried first for queries.
        max_associations: So many associations a search or a sender may open; with 1 the results of
            a search are read to their end before more is asked about them.
        storage_commitment_support: Whether it is a provider of storage commitment (PS3.4 Annex J).
        connect_timeout: Instead of that of LocalConfig, as the other three.
    """

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 0
    sender_ae_titles: tuple[str, ...] = ()
    patient_root_find_support: bool = False
    patient_root_get_support: bool = False
    patient_root_move_support: bool = False
    study_root_find_support: bool = False
    study_root_get_support: bool = False
    study_root_move_support: bool = False
    store_scp_support: bool = False
    dicomweb_root_url: str = ""
    dicomweb_qido_prefix: str = ""
    dicomweb_wado_prefix: str = ""
    dicomweb_stow_prefix: str = ""
    dicomweb_qido_support: bool = False
    dicomweb_wado_support: bool = False
    dicomweb_stow_support: bool = False
    dicomweb_authorization: str = field(default="", repr=False)
    max_search_results: int = 200
    character_set_fallback: str = "ISO_IR 100"
    preferred_query: QueryProtocol | None = None
    preferred_retrieve: RetrieveProtocol | None = None
    preferred_store: StoreProtocol | None = None
    max_associations: int = 4
    storage_commitment_support: bool = False
    tls: TlsConfig | None = None
    connect_timeout: float | None = None
    acse_timeout: float | None = None
    network_timeout: float | None = None
    progress_timeout: float | None = None


class AssociationGate(Protocol):
    """Bounds how many connections are open to a server, over all that share the gate."""

    def __call__(
        self, server: str, cancel: CancelToken, *, wait: bool
    ) -> AbstractContextManager[object]:
        """Takes one place at the server for the time of the block.

        It is entered before each association is opened, and left when that is closed; for
        DICOMweb, for the time of each request. Entering and leaving may be in different threads.

        Args:
            server: `ServerConfig.name`.
            cancel: Whoever waits for a place must stop when it is set (and raise Canceled).
            wait: Whether to wait until a place is free. Without it, entering raises
                TransientDicomError where none is: asked so for what would only be faster, as a
                second association of one transfer that would wait for the first.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LocalConfig:
    """Our own side of every conversation. Times are in seconds, sizes in bytes.

    Attributes:
        calling_ae_title: Our AE title as a requestor.
        receiver_ae_title: AE title of the C-STORE SCP that C-MOVE sends to.
        connect_timeout: Until the host name is resolved, the TCP connection and TLS stand.
        acse_timeout: Until the peer answers an association request or a release.
        network_timeout: Until the peer answers a request, or takes data that we send.
        progress_timeout: A retrieval ends when nothing new came for so long.
        maximum_pdu: The largest P-DATA-TF PDU that we take (PS3.8 D.1). Never 0: a peer without a
            limit sends a large object as one PDU.
        spill_threshold: Larger instances go to files while they arrive.
        store_associations: So many a sender opens where the server permits it: with one, latency
            counts once for each instance.
        stow_requests: So many STOW-RS requests are on their way at once where the server permits
            it.
        move_associations: So many C-MOVEs run beside each other where the server permits it, each
            for another series: while one waits for the receiver's disk, another sends.
        association_gate: Asked before anything is opened to a server.
    """

    calling_ae_title: str = "ADIT"
    receiver_ae_title: str = "ADIT_RECEIVER"
    connect_timeout: float = 10
    acse_timeout: float = 30
    network_timeout: float = 120
    progress_timeout: float = 60
    maximum_pdu: int = 131072
    spill_threshold: int = 8 * 1024 * 1024
    store_associations: int = 4
    stow_requests: int = 2
    move_associations: int = 4
    association_gate: AssociationGate | None = None

    def for_server(self, server: ServerConfig) -> LocalConfig:
        """The same with the time-outs that are set for `server`."""
        names = ("connect_timeout", "acse_timeout", "network_timeout", "progress_timeout")
        own = {name: getattr(server, name) for name in names}
        return replace(self, **{name: value for name, value in own.items() if value is not None})

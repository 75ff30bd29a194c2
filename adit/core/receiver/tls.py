"""TLS of the receiver: for senders (PS3.15 Annex B.9 and following) and for FileTransmit."""

import hashlib
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path


class WrongCertificate(ssl.SSLError):
    """The receiver has another certificate than the one that it announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptorTls:
    """TLS as an acceptor.

    Attributes:
        certificate: PEM file of the certificate (and chain).
        key: PEM file of its key; None where the key is in `certificate`.
        ca: PEM file of the authorities whose certificates peers may show.
        require_client_certificate: Whether a peer must show one.
    """

    certificate: Path
    key: Path | None = None
    ca: Path | None = None
    require_client_certificate: bool = False

    def ssl_context(self) -> ssl.SSLContext:
        """A context for connections that come in.

        Raises:
            OSError: A file cannot be read (`ssl.SSLError` where it is no PEM file).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(self.certificate), str(self.key) if self.key else None)
        if self.ca:
            context.load_verify_locations(str(self.ca))
            context.verify_mode = ssl.CERT_OPTIONAL
        if self.require_client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal."""
        text = self.certificate.read_text()
        first = text[text.index("-----BEGIN CERTIFICATE-----") :]
        end = "-----END CERTIFICATE-----"
        return _digest(ssl.PEM_cert_to_DER_cert(first[: first.index(end) + len(end)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTls:
    """TLS of a worker that calls FileTransmit.

    Attributes:
        fingerprint: The certificate that the receiver announced through the database; "" for any.
        ca: PEM file of the authorities; with it the certificate must name the host, too.
    """

    fingerprint: str = ""
    ca: Path | None = None

    def ssl_context(self) -> ssl.SSLContext:
        """A context for connections to a receiver."""
        if self.ca:
            return ssl.create_default_context(cafile=str(self.ca))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Whom we talk to says the fingerprint, not an authority.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def check(self, sock: ssl.SSLSocket) -> None:
        """Compare the fingerprint.

        Raises:
            WrongCertificate: It is another one.
        """
        if self.fingerprint:
            shown = _digest(sock.getpeercert(binary_form=True) or b"")
            if not hmac.compare_digest(shown, self.fingerprint):
                raise WrongCertificate("The receiver shows another certificate.")


def _digest(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()

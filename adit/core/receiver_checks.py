"""System checks on the settings of receivers."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks

from adit.core.receiver.allowlist import BadSender, Sender
from adit.core.receiver.tls import AcceptorTls, WorkerTls

_LOOPBACK = ("127.", "localhost", "::1")


@checks.register()
def check_receiver(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Errors on certificates and senders, in every environment; a warning on plain connections."""
    return [*_tls("STORE_SCP_TLS"), *_tls("FILE_TRANSMIT_TLS"), *_senders(), *_plain()]


def _tls(prefix: str) -> Iterator[checks.CheckMessage]:
    certificate = getattr(settings, f"{prefix}_CERTIFICATE")
    key, ca = getattr(settings, f"{prefix}_KEY"), getattr(settings, f"{prefix}_CA")
    is_for_senders = prefix == "STORE_SCP_TLS"
    required = is_for_senders and settings.STORE_SCP_TLS_REQUIRE_CERTIFICATE
    if required and not ca:
        yield checks.Error(
            "Senders must show a certificate, but no authority is named to trust.",
            hint="Set STORE_SCP_TLS_CA.",
            id="adit.E021",
        )
    if not certificate and (key or (is_for_senders and (ca or required))):
        yield checks.Error(
            f"TLS is half configured: {prefix}_CERTIFICATE is not set.",
            hint=f"Set {prefix}_CERTIFICATE, or none of the {prefix} settings.",
            id="adit.E022",
        )
    try:
        if certificate:
            AcceptorTls(
                certificate=Path(certificate),
                key=Path(key) if key else None,
                ca=Path(ca) if ca else None,
            ).ssl_context()
        elif ca:
            WorkerTls(ca=Path(ca)).ssl_context()
    except (OSError, ssl.SSLError) as error:
        yield checks.Error(
            f"The certificates of {prefix} cannot be used: {error.strerror or error}",
            hint="Name PEM files that this process may read, and the key that fits.",
            id="adit.E023",
        )


def _senders() -> Iterator[checks.CheckMessage]:
    for text in settings.RECEIVER_EXTRA_SENDERS:
        try:
            Sender.parse(text)
        except BadSender as error:
            yield checks.Error(
                f"RECEIVER_EXTRA_SENDERS: {error}",
                hint="Write AE_TITLE@host, with a host name, an address, a network or *.",
                id="adit.E024",
            )


def _plain() -> Iterator[checks.CheckMessage]:
    if settings.ENVIRONMENT != "production":
        return
    is_local = settings.FILE_TRANSMIT_HOST.startswith(_LOOPBACK)
    if not is_local and not settings.FILE_TRANSMIT_TLS_CERTIFICATE:
        yield checks.Warning(
            "Workers of other hosts fetch what was received over a plain connection.",
            hint="Set FILE_TRANSMIT_TLS_CERTIFICATE and FILE_TRANSMIT_TLS_KEY at the receiver.",
            id="adit.W021",
        )
    if not settings.RECEIVER_CHECK_CALLER:
        yield checks.Warning(
            "The receiver takes instances from anybody.",
            hint="Turn RECEIVER_CHECK_CALLER on.",
            id="adit.W022",
        )
    if settings.FILE_TRANSMIT_KEY == settings.SECRET_KEY:
        yield checks.Warning(
            "Receivers and workers share the secret key of the web server.",
            hint="Set FILE_TRANSMIT_KEY to random characters of its own.",
            id="adit.W023",
        )

"""Who may have sent what is taken for the answer to a C-MOVE.

A PACS sends under an AE title that need not be the one that was asked (PS3.4 C.4.2.3.1 leaves that
open), and does not always say whose C-MOVE it serves. But who is known to be another server does
not answer for it: instances with the same UIDs can have another content there.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from adit.core.dicom import ServerConfig
from adit.core.models import DicomServer
from adit.core.models.nodes import split_ae_titles

from .allowlist import addresses_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Senders:
    """What is known of who sends.

    Attributes:
        own: AE titles of the server that was asked.
        others: Those of other configured servers.
        elsewhere: Addresses of other servers with one of `own`.
    """

    own: frozenset[str]
    others: frozenset[str]
    elsewhere: frozenset[str] = frozenset()


_SERVERS = f"SELECT ae_title, sender_ae_titles, host FROM {DicomServer._meta.db_table}"


def senders_of(server: ServerConfig, connection: Connection[Any]) -> Senders:
    """Who sends for `server`, as far as the configuration tells."""
    own = frozenset({server.ae_title, *server.sender_ae_titles})
    others, hosts = set[str](), set[str]()
    for ae_title, further, host in connection.execute(_SERVERS.encode()):
        titles = {ae_title, *split_ae_titles(further)}
        others |= titles
        if host != server.host and titles & own:
            hosts.add(host)
    elsewhere = frozenset[str]()
    if hosts:
        elsewhere = frozenset().union(*map(_addresses, hosts)) - _addresses(server.host)
    return Senders(own=own, others=frozenset(others - own), elsewhere=elsewhere)


def _addresses(host: str) -> frozenset[str]:
    try:
        return addresses_of(host)
    except (OSError, UnicodeError):
        return frozenset()

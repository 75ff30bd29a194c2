"""Who may send: AE titles and addresses of the configured servers, and of others that are named.

One process of a receiver reads the configuration and resolves names; it leaves the result in a
file of the spool, where the acceptors see every change and find it after a restart, too.
"""

import ipaddress
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adit.core.models import DicomServer
from adit.core.models.nodes import split_ae_titles

FILE_NAME = "allowed-senders.json"
ANY = "*"


class BadSender(ValueError):
    """An entry of the list of further senders is not understood."""


@dataclass(frozen=True, slots=True)
class Sender:
    """An AE title ("*" for any) and the host name, address, network or "*" it calls from."""

    ae_title: str
    host: str

    @classmethod
    def parse(cls, text: str) -> "Sender":
        """Read `AE_TITLE@host`.

        Raises:
            BadSender: It is something else.
        """
        ae_title, separator, host = text.rpartition("@")
        if not separator or not ae_title.strip() or not host.strip() or len(ae_title) > 16:
            raise BadSender(f"{text!r} is not of the form AE_TITLE@host.")
        return cls(ae_title.strip(), host.strip())


@dataclass(frozen=True, slots=True)
class AllowList:
    """Networks by AE title; "*" stands for any of both."""

    networks: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def knows(self, ae_title: str) -> bool:
        """Whether anybody with that AE title may send."""
        return ae_title in self.networks or ANY in self.networks

    def allows(self, ae_title: str, address: str) -> bool:
        """Whether that AE title may send from that IP address."""
        own = self.networks.get(ae_title, frozenset()) | self.networks.get(ANY, frozenset())
        return ANY in own or _is_in(address, own)

    def encode(self) -> str:
        """As text, the same for equal lists."""
        return json.dumps({title: sorted(own) for title, own in sorted(self.networks.items())})

    @classmethod
    def decode(cls, text: str) -> "AllowList":
        """Read what `encode` made."""
        return cls({title: frozenset(own) for title, own in json.loads(text).items()})


class AllowListMaker:
    """Reads the configuration; a name that cannot be resolved keeps the addresses it had."""

    def __init__(self, further: Iterable[Sender]) -> None:
        self._further = tuple(further)
        self._resolved: dict[str, frozenset[str]] = {}

    def make(self) -> AllowList:
        """The list as it is now.

        Raises:
            django.db.Error: The configuration cannot be read.
        """
        servers = DicomServer.objects.filter(is_active=True).exclude(ae_title__in=["", ANY])
        networks: dict[str, frozenset[str]] = {}
        for server in servers.only("ae_title", "sender_ae_titles", "host"):
            # A server is one host: whole networks and "*" are for further senders.
            addresses = self._addresses(server.host)
            for ae_title in (server.ae_title, *split_ae_titles(server.sender_ae_titles)):
                networks[ae_title] = networks.get(ae_title, frozenset()) | addresses
        for sender in self._further:
            own = networks.get(sender.ae_title, frozenset())
            networks[sender.ae_title] = own | self._networks(sender.host)
        return AllowList(networks)

    def _networks(self, host: str) -> frozenset[str]:
        if host == ANY:
            return frozenset({ANY})
        try:
            return frozenset({str(ipaddress.ip_network(host, strict=False))})
        except ValueError:
            return self._addresses(host)

    def _addresses(self, host: str) -> frozenset[str]:
        try:
            resolved = addresses_of(host)
        except (OSError, UnicodeError):
            return self._resolved.get(host, frozenset())
        self._resolved[host] = resolved
        return resolved


class AllowListFile:
    """The list in the spool, read again when it has changed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._state: Any = None
        self._allowed: AllowList | None = None

    def write(self, allowed: AllowList) -> None:
        """Replace the file where it differs."""
        text = allowed.encode()
        try:
            if self._path.read_text() == text:
                return
        except OSError:
            pass
        draft = self._path.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self._path)

    def read(self) -> AllowList | None:
        """The list; None where there is none yet."""
        try:
            found = os.stat(self._path)  # noqa: PTH116
            state = (found.st_mtime_ns, found.st_ino, found.st_size)
            if state != self._state:
                self._allowed = AllowList.decode(self._path.read_text())
                self._state = state
        except (OSError, ValueError):
            return self._allowed
        return self._allowed


def addresses_of(host: str) -> frozenset[str]:
    """The IP addresses of a host.

    Raises:
        OSError, UnicodeError: Its name cannot be resolved.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return frozenset(plain_address(str(entry[4][0])) for entry in found)


def plain_address(address: str) -> str:
    """An address without zone, and IPv4 as such where it comes in the clothes of IPv6."""
    address = address.partition("%")[0]
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _is_in(address: str, networks: Iterable[str]) -> bool:
    try:
        found = ipaddress.ip_address(plain_address(address))
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(network) for network in networks if network != ANY)

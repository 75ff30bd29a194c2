"""Reading an association request (PS3.8 9.3.2 and Annex D) as tolerantly as the standard asks.

pynetdicom refuses a whole request for one odd item in it. A receiver does better: an item that it
does not know is skipped (PS3.8 9.3.1), and a context that is broken costs that context alone.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_APPLICATION_CONTEXT, _PRESENTATION_CONTEXT, _USER_INFORMATION = 0x10, 0x20, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _ROLE_SELECTION = 0x51, 0x54
_ITEM = struct.Struct(">BxH")
_VERSION_1 = 0x0001
_TITLES, _HEAD = slice(4, 36), 68

# A sender asks for the same each time, and some open an association for each instance.
_REMEMBERED = 64
_LARGEST_REMEMBERED = 64 * 1024


class MalformedRequest(ValueError):
    """The bytes are no A-ASSOCIATE-RQ."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What a peer asked for; as a rule the same object for the same request.

    Attributes:
        is_version_1: Whether the peer speaks the version of the protocol that there is: the first
            bit alone is looked at (PS3.8 9.3.2).
        application_context: Its name; "" where none came.
        titles: Called and calling AE title as they came, 16 bytes each.
        peer_maximum: Bytes of the largest P-DATA-TF that the peer takes; 0 for no limit.
        contexts: Presentation context ID, abstract syntax and transfer syntaxes, which may be no
            UIDs. What cannot be answered is left out: even IDs (PS3.8 Table 9-13), and IDs that
            came before.
        roles: SCU and SCP role of the peer, by abstract syntax (PS3.7 D.3.3.4).
    """

    is_version_1: bool
    application_context: str
    titles: bytes
    calling_ae_title: str
    called_ae_title: str
    peer_maximum: int
    contexts: tuple[tuple[int, str, tuple[str, ...]], ...]
    roles: dict[str, tuple[bool, bool]]


def read_request(body: bytes) -> Proposal:
    """Read the body of an A-ASSOCIATE-RQ.

    Raises:
        MalformedRequest: An item reaches beyond its end.
    """
    if len(body) > _LARGEST_REMEMBERED:
        return _read(body)
    return _read_remembered(body)


def printable(title: str) -> str:
    """The title; what nobody can write in a configuration is nobody's."""
    title = title.strip(" \0")
    return title if title.isascii() and title.isprintable() else ""


def _read(body: bytes) -> Proposal:
    if len(body) < _HEAD:
        raise MalformedRequest("The association request ends within its head.")
    titles = body[_TITLES]
    contexts: dict[int, tuple[str, tuple[str, ...]]] = {}
    roles: dict[str, tuple[bool, bool]] = {}
    maximum, application = 0, ""
    for kind, value in _items(body[_HEAD:]):
        if kind == _PRESENTATION_CONTEXT:
            context_id, abstract, syntaxes = _context(value)
            if context_id % 2:
                contexts.setdefault(context_id, (abstract, syntaxes))
        elif kind == _APPLICATION_CONTEXT:
            application = _uid(value)
        elif kind == _USER_INFORMATION:
            for what, piece in _items(value):
                if what == _MAXIMUM_LENGTH and len(piece) >= 4:
                    maximum = int.from_bytes(piece[:4], "big")
                elif what == _ROLE_SELECTION:
                    roles |= _role(piece)
    return Proposal(
        is_version_1=bool(int.from_bytes(body[:2], "big") & _VERSION_1),
        application_context=application,
        titles=titles,
        calling_ae_title=printable(titles[16:].decode("latin-1")),
        called_ae_title=printable(titles[:16].decode("latin-1")),
        peer_maximum=maximum,
        contexts=tuple((number, *context) for number, context in contexts.items()),
        roles=roles,
    )


_read_remembered = lru_cache(_REMEMBERED)(_read)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of the items in `data`."""
    position = 0
    while position < len(data):
        if position + _ITEM.size > len(data):
            raise MalformedRequest("The association request ends within the head of an item.")
        kind, length = _ITEM.unpack_from(data, position)
        position += _ITEM.size
        if position + length > len(data):
            raise MalformedRequest(f"An item of type {kind:#04x} is longer than what is around it.")
        yield kind, data[position : position + length]
        position += length


def _context(value: bytes) -> tuple[int, str, tuple[str, ...]]:
    """ID, abstract syntax and transfer syntaxes (PS3.8 9.3.2.2)."""
    if len(value) < 4:
        raise MalformedRequest("A presentation context has no ID.")
    abstract, syntaxes = "", []
    for kind, piece in _items(value[4:]):
        if kind == _ABSTRACT_SYNTAX:
            abstract = _uid(piece)
        elif kind == _TRANSFER_SYNTAX:
            syntaxes.append(_uid(piece))
    return value[0], abstract, tuple(syntaxes)


def _role(value: bytes) -> dict[str, tuple[bool, bool]]:
    """The roles that are proposed for one class (PS3.7 D.3.3.4.1); none where they are cut off."""
    if len(value) < 2:
        return {}
    end = 2 + int.from_bytes(value[:2], "big")
    if len(value) < end + 2:
        return {}
    return {_uid(value[2:end]): (value[end] == 1, value[end + 1] == 1)}


def _uid(value: bytes) -> str:
    """As text; other characters than ASCII show that it is none."""
    return value.strip(b" \0").decode("ascii", "replace")

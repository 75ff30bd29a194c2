"""Encoding the Identifier of a query or retrieve request (PS3.4 C.4.1.1.3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from pydicom.datadict import dictionary_VR

from ..attributes import tag_of
from ..charsets import character_set_for, encode_text
from ..contexts import IMPLICIT_LITTLE
from ..errors import PermanentDicomError

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_LONG_VRS = frozenset({"UC", "UT"})
_LONGEST_VALUE = 0xFFFE
_CHARACTER_SET_TAG = 0x00080005


def encode_identifier(keys: Mapping[str, str], transfer_syntax: str, character_set: str) -> bytes:
    """Encodes matching and return keys; several values are joined with a backslash.

    Raises:
        PermanentDicomError: If a value is longer than explicit VR can say.

    Args:
        keys: Values by keyword; "" is a key that matches everything and shall be returned.
        transfer_syntax: Implicit or explicit VR little endian.
        character_set: The set to use, if one is needed and it can express the values.
    """
    used = character_set_for(list(keys.values()), character_set)
    elements: dict[int, tuple[str, bytes]] = {}
    for keyword, value in keys.items():
        tag = tag_of(keyword)
        vr = dictionary_VR(tag)
        encoded = encode_text(value, used) if vr in _TEXT_VRS else value.encode("ascii", "replace")
        elements[tag] = (vr, _padded(vr, encoded))
    if used:
        elements[_CHARACTER_SET_TAG] = ("CS", _padded("CS", used.encode("ascii")))
    implicit = transfer_syntax == IMPLICIT_LITTLE
    return b"".join(
        _element(tag, vr, value, implicit) for tag, (vr, value) in sorted(elements.items())
    )


def _padded(vr: str, value: bytes) -> bytes:
    if len(value) % 2 == 0:
        return value
    return value + (b"\0" if vr == "UI" else b" ")


def _element(tag: int, vr: str, value: bytes, implicit: bool) -> bytes:
    group, element = tag >> 16, tag & 0xFFFF
    if implicit:
        return struct.pack("<HHL", group, element, len(value)) + value
    if vr in _LONG_VRS:
        return struct.pack("<HH2sxxL", group, element, vr.encode(), len(value)) + value
    if len(value) > _LONGEST_VALUE:
        raise PermanentDicomError(
            "What is looked for is too long for a query.",
            code="query",
            advice="Shorten the values, or look for fewer of them at once.",
        )
    return struct.pack("<HH2sH", group, element, vr.encode(), len(value)) + value

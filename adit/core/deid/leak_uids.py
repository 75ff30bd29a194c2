"""UIDs of the source that are left: where UIDs stand, and in text and bytes of any element.

A UID is well-known if PS3.6 Annex A lists it (SOP classes, transfer syntaxes, coding schemes,
well-known frames of reference and instances), not by its root: an instance that somebody numbered
under 1.2.840.10008 is an instance. UIDs of classes, transfer syntaxes, coding schemes and the like
are defined by their maker and tell nothing of a patient: Table E.1-1 of PS3.15 has no rule for
SOPClassUID and TransferSyntaxUID, so a private one stays and is not reported, unless it is the UID
of an instance, study, series or frame of reference of the source.
"""

from __future__ import annotations

import re
from functools import cached_property

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import keyword_for_tag

from .leak_walk import HeaderEncoding, LeafWalk, Unreadable, vr_by_dictionary

_UID = re.compile(rb"(?<![\d.])[0-2]\.(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2,}")
_INSIDE_OF_A_UID = re.compile(rb"\.\d+\.\d+\.\d")
_STANDARD_ROOT, _MAPPED_ROOT = b"1.2.840.10008.", b"2.25."
_OF_A_DEFINITION = re.compile(
    r"Class|CodingScheme|ContextUID|ContextGroup|Creator|MappingResource|TransferSyntax|Template"
)
_SURELY_A_UID = 20
_WELL_KNOWN = frozenset(uid.encode() for uid in UID_dictionary)


def is_uid_of_a_definition(tag: int) -> bool:
    """Whether an attribute holds the UID of a class, syntax, scheme and the like."""
    return bool(_OF_A_DEFINITION.search(keyword_for_tag(tag)))


def may_hold_uid(value: bytes) -> bool:
    """Whether something in a value looks like a UID."""
    return bool(_INSIDE_OF_A_UID.search(value) or _INSIDE_OF_A_UID.search(_plain(value)))


def _plain(value: bytes) -> bytes:
    return value.replace(b"\0", b"") if b"\0.\0" in value else b""


class OldUids:
    """UIDs of one object as it came.

    Args:
        before: Encoded elements.
        encoding: Of these.
    """

    _walk = LeafWalk(
        lambda tag, vr, length: (
            (vr == b"UI" or vr_by_dictionary(tag) == b"UI") and not is_uid_of_a_definition(tag)
        )
    )

    def __init__(self, before: bytes, encoding: HeaderEncoding) -> None:
        self._before, self._encoding = before, encoding
        self._mapped_before = _MAPPED_ROOT in before

    def stand_in(self, value: bytes) -> bool:
        """Whether one of them is a value of an attribute for UIDs."""
        if value.startswith(_MAPPED_ROOT) and not self._mapped_before and b"\\" not in value:
            return False
        return any(self._is_old(part.strip(b" \0")) for part in value.split(b"\\"))

    def define(self, value: bytes) -> bool:
        """Whether one of them is the value of an attribute for UIDs of definitions.

        Some devices write `0` for the UIDs of what they refer to and for its class.
        """
        uid = value.strip(b" \0")
        return b"." in uid and uid not in _WELL_KNOWN and uid in self._own

    def stand_within(self, value: bytes) -> bool:
        """Whether one of them is in text or bytes."""
        return any(
            self._is_old_in_text(uid)
            for text in (value, _plain(value))
            for uid in _UID.findall(text)
        )

    def _is_old(self, uid: bytes) -> bool:
        if uid in _WELL_KNOWN or uid not in self._before or not uid:
            return False
        if uid.startswith(_STANDARD_ROOT) or uid.count(b".") < 4:
            return uid in self._own
        return True

    def _is_old_in_text(self, uid: bytes) -> bool:
        if uid in _WELL_KNOWN or uid not in self._before:
            return False
        if len(uid) < _SURELY_A_UID or uid.startswith(_STANDARD_ROOT):
            return uid in self._own
        return True

    @cached_property
    def _own(self) -> frozenset[bytes]:
        """UIDs of instances, studies, series, frames of reference and the like."""
        encoding, before = self._encoding, self._before
        try:
            leaves = self._walk.leaves(before, encoding.implicit, encoding.big_endian, None)
        except Unreadable:
            return frozenset(_UID.findall(before)) - _WELL_KNOWN
        return frozenset(
            part.strip(b" \0")
            for _, _, _, start, end in leaves
            for part in before[start:end].split(b"\\")
        ) - {b""}

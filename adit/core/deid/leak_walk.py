"""Walks the elements of an outgoing header for the leak gate.

Apart from the engine's parser on purpose, and simpler: it builds no tree. Sequences and items are
stepped into, so elements of all levels come in one row; a sequence hidden in an element of VR UN
with a defined length stays one run of bytes, which is searched as such.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Hashable
from functools import cache
from typing import Protocol

from pydicom.datadict import dictionary_VR

Leaf = tuple[int, bytes, int, int, int]
"""Tag, VR, begin of the element, begin and end of the value."""

LONG_ELEMENT = 4096
"""Bytes from which on an element is always listed, since comparing it costs too much."""

_KNOWN_LIMIT = 20_000
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_WITH_SHORT_LENGTH = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()
)


class HeaderEncoding(Hashable, Protocol):
    """How a header is encoded (PS3.5 7.1, 7.3)."""

    @property
    def implicit(self) -> bool: ...

    @property
    def big_endian(self) -> bool: ...


class Unreadable(Exception):
    """The bytes are no data elements."""


@cache
def vr_by_dictionary(tag: int) -> bytes:
    """VR of PS3.6, UN where the tag is unknown or private."""
    try:
        return dictionary_VR(tag)[:2].encode()
    except KeyError:
        return b"UN"


class LeafWalk:
    """Walks headers, and remembers what it learned of the headers of single elements.

    The objects of a series repeat each other's headers of elements, eight bytes that tell tag, VR
    and length: they are taken apart once.

    Args:
        is_listed: Whether an element of a tag, VR and length in bytes is to be listed in any case.
            Asked once for equal elements.
    """

    def __init__(self, is_listed: Callable[[int, bytes, int], bool]) -> None:
        self._is_listed = is_listed
        self._known: dict[tuple[bool, bool], dict[bytes, tuple[int, bytes, int, bool | None]]] = {
            (implicit, big): {} for implicit in (False, True) for big in (False, True)
        }

    def leaves(
        self,
        data: bytes,
        implicit: bool,
        big_endian: bool,
        clean: Container[bytes] | None = frozenset(),
    ) -> list[Leaf]:
        """Elements of every level that are no sequence.

        Args:
            data: Encoded elements.
            implicit: Whether their VR is implicit.
            big_endian: Whether they are big endian.
            clean: Elements as encoded that need not be listed, unless `is_listed` says so; `None`
                lists no others than those.

        Raises:
            Unreadable: An element reaches over the end.
        """
        found: list[Leaf] = []
        order = ">" if big_endian else "<"
        explicit_header = struct.Struct(order + "HH2sH").unpack_from
        implicit_header = struct.Struct(order + "HHL").unpack_from
        long_length = struct.Struct(order + "L").unpack_from
        outer: list[bool] = []  # how elements around an undefined length are encoded
        position, end = 0, len(data)
        add = found.append
        known = self._headers(implicit, big_endian)
        try:
            while position < end:
                begin = position
                header = known.get(data[begin : begin + 8])
                if header is not None:
                    tag, vr, length, listed = header
                    value = position + 8
                    position = value + length
                    if listed is None:  # where an item begins or ends
                        continue
                    if position > end:
                        raise Unreadable
                    if listed or (clean is not None and data[begin:position] not in clean):
                        add((tag, vr, begin, value, position))
                    continue
                if implicit:
                    group, number, length = implicit_header(data, position)
                    vr = b""
                else:
                    group, number, vr, length = explicit_header(data, position)
                value = position + 8
                if group == 0xFFFE:
                    if number == 0xE0DD and outer:
                        implicit = outer.pop()
                        known = self._headers(implicit, big_endian)
                    elif number != 0xE0DD:
                        known[data[begin:value]] = _ITEM, b"", 0, None
                    position = value
                    continue
                tag = group << 16 | number
                if implicit:
                    vr = vr_by_dictionary(tag)
                elif vr not in _WITH_SHORT_LENGTH:
                    (length,) = long_length(data, value)
                    value += 4
                if length == _UNDEFINED:
                    if tag in _PIXEL_DATA:
                        position = _behind_fragments(data, value, implicit_header)
                        add((tag, vr, begin, value, position))
                        continue
                    outer.append(implicit)
                    implicit = implicit or vr == b"UN"
                    known = self._headers(implicit, big_endian)
                    position = value
                elif vr == b"SQ":
                    position = value
                else:
                    position = value + length
                    if position > end:
                        raise Unreadable
                    listed = length >= LONG_ELEMENT and clean is not None
                    listed = listed or self._is_listed(tag, vr, length)
                    if value == begin + 8:
                        known[data[begin:value]] = tag, vr, length, listed
                    if listed or (clean is not None and data[begin:position] not in clean):
                        add((tag, vr, begin, value, position))
        except struct.error:
            if any(data[position:]):
                raise Unreadable from None
        return found

    def _headers(
        self, implicit: bool, big_endian: bool
    ) -> dict[bytes, tuple[int, bytes, int, bool | None]]:
        known = self._known[implicit, big_endian]
        if len(known) > _KNOWN_LIMIT:
            known.clear()
        return known


def _behind_fragments(data: bytes, position: int, header) -> int:  # noqa: ANN001
    while True:
        group, number, length = header(data, position)
        position += 8
        if group << 16 | number == _SEQUENCE_END:
            return position
        if group << 16 | number != _ITEM or length == _UNDEFINED:
            raise Unreadable
        position += length

"""Reads and writes encoded data elements without touching their values (PS3.5 7).

Elements stay slices of the source's bytes: what the rules keep is copied as it came, odd padding
and malformed values included, and costs nothing but the walk over its header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from .errors import MalformedDataset

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

SHORT_VRS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()
)  # 16 bit length (PS3.5 7.1.2)
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
TEXT_VRS = frozenset(b"LO LT PN SH ST UC UT".split())  # affected by the character set
NULL_PADDED_VRS = frozenset(b"UI OB OW UN OF OD OL OV AT FL FD SL SS UL US SV UV".split())
WIDTHS = {
    **dict.fromkeys((b"US", b"SS", b"OW", b"AT"), 2),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"OL", b"OF"), 4),
    **dict.fromkeys((b"FD", b"SV", b"UV", b"OV", b"OD"), 8),
}
"""Bytes of what is written in the byte order of the encoding (PS3.5 7.3)."""
_MAXIMUM_DEPTH = 64


class NeedMoreData(Exception):
    """The buffer ends before the element does."""


@dataclass(frozen=True)
class Encoding:
    """How headers of elements are encoded."""

    implicit: bool
    big_endian: bool
    order: str = field(init=False)
    short: struct.Struct = field(init=False)
    long: struct.Struct = field(init=False)
    length: struct.Struct = field(init=False)

    def __post_init__(self) -> None:
        order = ">" if self.big_endian else "<"
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "short", struct.Struct(order + "HH2sH"))
        object.__setattr__(self, "long", struct.Struct(order + "HHL"))
        object.__setattr__(self, "length", struct.Struct(order + "L"))


IMPLICIT_LITTLE = Encoding(implicit=True, big_endian=False)
EXPLICIT_LITTLE = Encoding(implicit=False, big_endian=False)
EXPLICIT_BIG = Encoding(implicit=False, big_endian=True)


class Item(NamedTuple):
    """One item of a sequence."""

    elements: list[Element]
    undefined: bool


class Items(NamedTuple):
    """The value of a sequence. `encoding` differs from its parent's in an element of VR UN."""

    encoding: Encoding
    undefined: bool
    items: list[Item]


class Element(NamedTuple):
    """A data element as offsets into the buffer; the value is `buffer[value:end]`."""

    tag: int
    vr: bytes
    start: int
    value: int
    end: int
    items: Items | None


@cache
def vr_of_tag(tag: int) -> bytes:
    """VR of the data dictionary (PS3.6); UN for private and unknown tags."""
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return b"UN"
    return vr[:2].encode() if vr != "NONE" else b"UN"


def parse_elements(
    buffer: bytes,
    position: int,
    end: int,
    encoding: Encoding,
    elements: list[Element],
    *,
    top: bool = False,
    nested_undefined: bool = False,
    depth: int = 0,
) -> int:
    """Appends the elements of `buffer[position:end]` to `elements` and returns where it stopped.

    At the top level the walk stops at pixel data; in an item of undefined length behind its
    delimiter.

    Raises:
        NeedMoreData: An element reaches over the end of the buffer; those before are appended.
        MalformedDataset: The bytes are not a data set.
    """
    if depth > _MAXIMUM_DEPTH:
        raise MalformedDataset("Sequences are nested too deeply.")
    implicit = encoding.implicit
    unpack_short = encoding.short.unpack_from
    unpack_long = encoding.long.unpack_from
    unpack_length = encoding.length.unpack_from
    short_vrs = SHORT_VRS
    limit = len(buffer)
    append = elements.append
    new = Element._make
    while position < end:
        items = None
        if position + 8 > end:
            raise NeedMoreData if end == limit else MalformedDataset("An item ends in an element.")
        if implicit:
            group, number, length = unpack_long(buffer, position)
            tag = group << 16 | number
            value = position + 8
            vr = vr_of_tag(tag)
        else:
            group, number, vr, length = unpack_short(buffer, position)
            tag = group << 16 | number
            value = position + 8
        if group == 0xFFFE:
            if tag == ITEM_END and nested_undefined:
                return value
            raise MalformedDataset("An item delimiter stands where an element should.")
        if top and tag in PIXEL_DATA_TAGS:
            return position
        if not implicit and vr not in short_vrs:
            if vr not in LONG_VRS and not (vr.isalpha() and vr.isupper()):
                raise MalformedDataset("An element has no value representation.")
            if value + 4 > limit:
                raise NeedMoreData
            length = unpack_length(buffer, value)[0]
            value += 4
        if length == UNDEFINED and tag in PIXEL_DATA_TAGS:
            next_position = _behind_fragments(buffer, value, encoding)
        elif length == UNDEFINED or vr == b"SQ" or (vr == b"UN" and vr_of_tag(tag) == b"SQ"):
            inner = IMPLICIT_LITTLE if vr == b"UN" and not implicit else encoding
            undefined = length == UNDEFINED
            stop = limit if undefined else value + length
            if stop > end and not undefined:
                raise NeedMoreData if end == limit else MalformedDataset("A sequence is too long.")
            sequence: list[Item] = []
            next_position = _parse_items(buffer, value, stop, inner, undefined, sequence, depth)
            items = Items(inner, undefined, sequence)
        else:
            next_position = value + length
        if next_position > end:
            raise NeedMoreData if end == limit else MalformedDataset("An element is too long.")
        append(new((tag, vr, position, value, next_position, items)))
        position = next_position
    if nested_undefined:
        raise NeedMoreData
    return position


def _behind_fragments(buffer: bytes, position: int, encoding: Encoding) -> int:
    """End of encapsulated pixel data inside of an item, as icons have it (PS3.5 A.4)."""
    unpack = encoding.long.unpack_from
    while True:
        if position + 8 > len(buffer):
            raise NeedMoreData
        group, number, length = unpack(buffer, position)
        position += 8
        if group << 16 | number == SEQUENCE_END:
            return position
        if group << 16 | number != ITEM or length == UNDEFINED:
            raise MalformedDataset("Encapsulated pixel data holds something other than fragments.")
        position += length


def _parse_items(
    buffer: bytes,
    position: int,
    end: int,
    encoding: Encoding,
    undefined: bool,
    items: list[Item],
    depth: int,
) -> int:
    unpack = encoding.long.unpack_from
    limit = len(buffer)
    while position < end:
        if position + 8 > end:
            raise NeedMoreData if undefined else MalformedDataset("A sequence ends in an item.")
        group, number, length = unpack(buffer, position)
        tag = group << 16 | number
        position += 8
        if tag == SEQUENCE_END and undefined:
            return position
        if tag != ITEM:
            raise MalformedDataset("A sequence holds something other than items.")
        elements: list[Element] = []
        if length == UNDEFINED:
            position = parse_elements(
                buffer, position, end, encoding, elements, nested_undefined=True, depth=depth + 1
            )
        else:
            stop = position + length
            if stop > end:
                raise (
                    NeedMoreData
                    if undefined and end == limit
                    else MalformedDataset("An item is too long.")
                )
            position = parse_elements(buffer, position, stop, encoding, elements, depth=depth + 1)
        items.append(Item(elements, length == UNDEFINED))
    if undefined:
        raise NeedMoreData
    return position


def pad(value: bytes, vr: bytes) -> bytes:
    """Even length (PS3.5 6.2): a NULL for UIDs and binary values, else a space."""
    if len(value) & 1:
        return value + (b"\0" if vr in NULL_PADDED_VRS else b" ")
    return value


def swapped(value: bytes, width: int) -> bytes:
    """The bytes of each number in the other order."""
    return b"".join(value[at : at + width][::-1] for at in range(0, len(value), width))


def element_header(encoding: Encoding, tag: int, vr: bytes, length: int) -> bytes:
    """Header of an element; a value too long for its VR becomes UN (PS3.5 6.2.2)."""
    if encoding.implicit:
        return encoding.long.pack(tag >> 16, tag & 0xFFFF, length)
    if vr in SHORT_VRS:
        if length <= 0xFFFE:
            return encoding.short.pack(tag >> 16, tag & 0xFFFF, vr, length)
        vr = b"UN"
    return encoding.short.pack(tag >> 16, tag & 0xFFFF, vr, 0) + encoding.length.pack(length)


def encode_element(encoding: Encoding, tag: int, vr: bytes, value: bytes) -> bytes:
    """An element with its value padded."""
    value = pad(value, vr)
    return element_header(encoding, tag, vr, len(value)) + value


def encode_item(encoding: Encoding, body: bytes, undefined: bool = False) -> bytes:
    """An item of defined length, or of undefined length with its delimiter."""
    pack = encoding.long.pack
    if undefined:
        return pack(0xFFFE, 0xE000, UNDEFINED) + body + pack(0xFFFE, 0xE00D, 0)
    return pack(0xFFFE, 0xE000, len(body)) + body


def encode_sequence(
    encoding: Encoding, tag: int, items: Iterable[bytes], undefined: bool = False
) -> bytes:
    """A sequence of encoded items (`encode_item`)."""
    body = b"".join(items)
    if undefined:
        end = encoding.long.pack(0xFFFE, 0xE0DD, 0)
        return element_header(encoding, tag, b"SQ", UNDEFINED) + body + end
    return element_header(encoding, tag, b"SQ", len(body)) + body

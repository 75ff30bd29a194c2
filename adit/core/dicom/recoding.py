"""Another encoding of a data set in explicit VR little endian, value by value as it was.

What is not changed on purpose keeps its bytes: text in whatever character set, padding, private
elements, values that are against the rules. Only the heads of the elements are written anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR

from .header import LONG_VRS, SHORT_VRS, MalformedDataSet

PIXEL_DATA = 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_MOST_LEVELS = 64
_LONGEST_SHORT = 0xFFFE
_explicit_head = struct.Struct("<HH2sH")
_implicit_head = struct.Struct("<HHL")
_item_end = _implicit_head.pack(0xFFFE, 0xE00D, 0)
_sequence_end = _implicit_head.pack(0xFFFE, 0xE0DD, 0)


class NestedFrames(ValueError):
    """A picture within a sequence is compressed, too."""


@dataclass(frozen=True, slots=True)
class _Element:
    """Where an element is; `value` starts behind its head, `end` is behind its delimiter."""

    tag: int
    vr: bytes
    start: int
    value: int
    end: int
    length: int


def exchange(data: bytes, changes: Mapping[int, tuple[bytes, bytes] | None]) -> bytes:
    """The same data set with other top-level elements.

    Args:
        changes: VR and value by tag; None where the element goes. Where there is none so far, it
            is put at its place.

    Raises:
        MalformedDataSet: If the data set is not in explicit VR little endian.
        NestedFrames: If an item holds compressed pixel data.
    """
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    left = dict(sorted(changes.items()))
    for element in _elements(view, 0, len(view), 0):
        while left and (tag := next(iter(left))) < element.tag:
            pieces += _encode(tag, left.pop(tag))
        if element.tag in left:
            pieces += _encode(element.tag, left.pop(element.tag))
        elif vr := _vr_for_unknown(element):
            pieces += _encode(element.tag, (vr, bytes(view[element.value : element.end])))
        else:
            _check_items(view, element, 0)
            pieces.append(view[element.start : element.end])
    for tag, new in left.items():
        pieces += _encode(tag, new)
    return b"".join(pieces)


def to_implicit(data: bytes) -> bytes:
    """The same data set in implicit VR little endian (PS3.5 A.1).

    Raises:
        MalformedDataSet: If the data set is not in explicit VR little endian.
        NestedFrames: If pixel data are compressed.
    """
    view = memoryview(data)
    return b"".join(_implicit(view, 0, len(view), 0))


def _implicit(view: memoryview, start: int, end: int, level: int) -> Iterator[bytes | memoryview]:
    for element in _elements(view, start, end, level):
        head = element.tag >> 16, element.tag & 0xFFFF
        if element.vr != b"SQ":
            # The value of UN of undefined length is in implicit VR already (PS3.5 6.2.2 note 2).
            yield _implicit_head.pack(*head, element.length)
            yield view[element.value : element.end]
            continue
        pieces: list[bytes | memoryview] = []
        for item in _items(view, element, level):
            inner = b"".join(_implicit(view, item.value, _content_end(item), level + 1))
            open_end = item.length == _UNDEFINED
            pieces.append(
                _implicit_head.pack(0xFFFE, 0xE000, _UNDEFINED if open_end else len(inner))
            )
            pieces.append(inner)
            if open_end:
                pieces.append(_item_end)
        open_end = element.length == _UNDEFINED
        if open_end:
            pieces.append(_sequence_end)
        yield _implicit_head.pack(*head, _UNDEFINED if open_end else sum(map(len, pieces)))
        yield from pieces


def _vr_for_unknown(element: _Element) -> bytes:
    """The VR of an element of the standard that stands as UN (PS3.5 6.2.2), "" where there is none.

    Some peers do not even find the SOP class of what is written so. The value stays as it is.
    """
    is_private = element.tag >> 16 & 1
    if element.vr != b"UN" or element.length > _LONGEST_SHORT or is_private:
        return b""
    try:
        vr = dictionary_VR(element.tag).encode()
    except KeyError:
        return b""
    return vr if vr in SHORT_VRS else b""


def _encode(tag: int, new: tuple[bytes, bytes] | None) -> tuple[bytes, ...]:
    if new is None:
        return ()
    vr, value = new
    if vr in LONG_VRS:
        head = struct.pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, vr, len(value))
    else:
        head = _explicit_head.pack(tag >> 16, tag & 0xFFFF, vr, len(value))
    return head, value


def _elements(view: memoryview, position: int, end: int, level: int) -> Iterator[_Element]:
    """The elements of a data set or item, in explicit VR; all of them end before `end`."""
    if level > _MOST_LEVELS:
        raise MalformedDataSet("Sequences are nested too deep.")
    while position < end:
        if not level and end - position < 8 and not any(view[position:end]):
            # Some writers leave a few bytes of padding behind the last element.
            return
        element = _element(view, position, end, level)
        yield element
        position = element.end


def _element(view: memoryview, start: int, end: int, level: int) -> _Element:
    if start + 8 > end:
        raise MalformedDataSet("The data set ends within an element.")
    group, number, vr, length = _explicit_head.unpack_from(view, start)
    tag, value = group << 16 | number, start + 8
    if vr in LONG_VRS:
        if start + 12 > end:
            raise MalformedDataSet("The data set ends within an element.")
        (length,) = struct.unpack_from("<L", view, start + 8)
        value = start + 12
    elif vr not in SHORT_VRS:
        raise MalformedDataSet("An element has no value representation.")
    if length != _UNDEFINED:
        stop = value + length
    elif vr == b"SQ":
        stop = _end_of_items(view, value, end, level, explicit=True)
    elif vr == b"UN":
        stop = _end_of_items(view, value, end, level, explicit=False)
    elif tag == PIXEL_DATA and not level:
        stop = _end_of_fragments(view, value, end)
    else:
        raise NestedFrames("A picture within a sequence is compressed, too.")
    if stop > end:
        raise MalformedDataSet("The data set ends within an element.")
    return _Element(tag, vr, start, value, stop, length)


def _items(view: memoryview, element: _Element, level: int) -> Iterator[_Element]:
    position = element.value
    while position < element.end:
        item = _item(view, position, element.end, level, explicit=True)
        if item.tag == _SEQUENCE_END:
            return
        yield item
        position = item.end


def _check_items(view: memoryview, element: _Element, level: int) -> None:
    """Walks through all that a sequence holds."""
    if element.vr != b"SQ":
        return
    for item in _items(view, element, level):
        for inner in _elements(view, item.value, _content_end(item), level + 1):
            _check_items(view, inner, level + 1)


def _item(view: memoryview, start: int, end: int, level: int, *, explicit: bool) -> _Element:
    """An item, or the delimiter behind the last one."""
    if start + 8 > end:
        raise MalformedDataSet("The data set ends within a sequence.")
    group, number, length = _implicit_head.unpack_from(view, start)
    tag, value = group << 16 | number, start + 8
    if tag == _SEQUENCE_END:
        return _Element(tag, b"", start, value, value, 0)
    if tag != _ITEM:
        raise MalformedDataSet("A sequence holds something else than items.")
    if length != _UNDEFINED:
        stop = value + length
    else:
        stop = _end_of_item(view, value, end, level + 1, explicit=explicit)
    if stop > end:
        raise MalformedDataSet("The data set ends within an item.")
    return _Element(tag, b"", start, value, stop, length)


def _content_end(item: _Element) -> int:
    return item.end - 8 if item.length == _UNDEFINED else item.end


def _end_of_items(view: memoryview, position: int, end: int, level: int, *, explicit: bool) -> int:
    """Behind the delimiter of a sequence of undefined length."""
    while True:
        item = _item(view, position, end, level, explicit=explicit)
        position = item.end
        if item.tag == _SEQUENCE_END:
            return position


def _end_of_item(view: memoryview, position: int, end: int, level: int, *, explicit: bool) -> int:
    """Behind the delimiter of an item of undefined length."""
    if level > _MOST_LEVELS:
        raise MalformedDataSet("Sequences are nested too deep.")
    while position + 8 <= end:
        group, number, length = _implicit_head.unpack_from(view, position)
        if group << 16 | number == _ITEM_END:
            return position + 8
        if explicit:
            position = _element(view, position, end, level).end
        elif length == _UNDEFINED:
            position = _end_of_items(view, position + 8, end, level, explicit=False)
        else:
            position += 8 + length
    raise MalformedDataSet("The data set ends within an item.")


def _end_of_fragments(view: memoryview, position: int, end: int) -> int:
    """Behind the delimiter of encapsulated pixel data (PS3.5 A.4)."""
    while position + 8 <= end:
        group, number, length = _implicit_head.unpack_from(view, position)
        position += 8
        if group << 16 | number == _SEQUENCE_END:
            return position
        if group << 16 | number != _ITEM or length == _UNDEFINED:
            break
        position += length
    raise MalformedDataSet("Encapsulated pixel data are broken.")

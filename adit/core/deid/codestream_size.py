"""How large an image a compressed frame says that it is, told before anything is decoded.

Decoders obey the codestream and not the header of the object, so that a small file may ask for any
amount of memory and time.
"""

from __future__ import annotations

from collections.abc import Iterator

_ITEM = b"\xfe\xff\x00\xe0"
_JPEG, _JPEG_2000 = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"
_BEGIN_OF_BOXES = b"\x00\x00\x00\x0cjP  "
_FRAMES = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
"""Markers that begin a frame of JPEG (ISO 10918-1 B.1.1.3) or JPEG-LS (SOF55)."""
_MOST_SEGMENTS = 1000


def sizes_in(fragments: bytes) -> Iterator[tuple[int, int]]:
    """Rows and columns of the JPEG, JPEG-LS and JPEG 2000 codestreams that begin in fragments.

    Args:
        fragments: Value of encapsulated pixel data (PS3.5 A.4): items, little endian.
    """
    position = 0
    while fragments[position : position + 4] == _ITEM:
        length = int.from_bytes(fragments[position + 4 : position + 8], "little")
        start = position + 8
        if size := _size_at(fragments, start):
            yield size
        position = start + length


def _size_at(data: bytes, start: int) -> tuple[int, int] | None:
    if data.startswith(_BEGIN_OF_BOXES, start):
        start = data.find(_JPEG_2000, start, start + 4096)
        if start < 0:
            return None
    if data.startswith(_JPEG_2000, start):  # ISO 15444-1 A.5.1
        width, height, left, top = (
            int.from_bytes(data[at : at + 4], "big") for at in range(start + 8, start + 24, 4)
        )
        return height - top, width - left
    if data.startswith(_JPEG, start):
        return _size_of_jpeg(data, start + 2)
    return None


def _size_of_jpeg(data: bytes, position: int) -> tuple[int, int] | None:
    for _ in range(_MOST_SEGMENTS):
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        if data[position : position + 1] != b"\xff":
            return None
        if data[position + 1] in _FRAMES:
            rows, columns = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None

"""One walk over an encoded data set: what it says that it is, and whether it is all there.

A peer that breaks off in the middle of its own file may still end the message in order. The lengths
of the elements tell: one that runs over the end of the data set was cut. Values are skipped, so the
walk touches little more than the header, however large the instance is.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from .header import (
    DEFLATED,
    EXPLICIT_BIG,
    IDENTIFYING_TAGS,
    LONG_VRS,
    SHORT_VRS,
    Identifiers,
    MalformedDataSet,
    has_implicit_vr,
    identifiers_from,
)

_LAST_WANTED = max(IDENTIFYING_TAGS)
_DELIMITERS = frozenset({0xE00D, 0xE0DD})
_UNDEFINED = 0xFFFFFFFF
_SHORTEST_ELEMENT = 8
_PREAMBLE = 128
_PREFIX = b"DICM"
# A deflated data set is walked up to this size, and followed to its end up to the next.
_LARGEST_INFLATED = 16 * 1024 * 1024
_LONGEST_INFLATION = 4 * 1024 * 1024 * 1024
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Survey:
    """What the walk found; `whole`: the data set does not end too early, and no file follows."""

    identifiers: Identifiers
    whole: bool


def survey(data: bytes | memoryview, transfer_syntax_uid: str) -> Survey:
    """Walks over the data set; `data` may be a mapping of its file.

    What is odd behind the identifiers, but does not run over the end, is left to those who read it:
    some modalities write what only lenient readers understand.

    Raises:
        MalformedDataSet: If no identifiers can be read.
    """
    view = memoryview(data)
    ended = True
    if transfer_syntax_uid in DEFLATED:
        inflated, ended = _inflate(view)
        view = memoryview(inflated)
    order = ">" if transfer_syntax_uid == EXPLICIT_BIG else "<"
    with view:
        implicit = has_implicit_vr(view, transfer_syntax_uid)
        values, whole = _walk(view, order, explicit=not implicit)
        cut_by_us = transfer_syntax_uid in DEFLATED and len(view) >= _LARGEST_INFLATED
    return Survey(identifiers_from(values), ended and (whole or cut_by_us))


def _walk(view: memoryview, order: str, *, explicit: bool) -> tuple[dict[int, bytes], bool]:
    """The wanted values of the top level, and whether the walk came to the very end.

    Sequences and items of undefined length are walked through in the same loop (PS3.5 7.5).
    """
    explicit_head = struct.Struct(f"{order}HH2sH").unpack_from
    implicit_head = struct.Struct(f"{order}HHL").unpack_from
    long_length = struct.Struct(f"{order}L").unpack_from
    values: dict[int, bytes] = {}
    outer: list[bool] = []  # whether the VRs are explicit around each open sequence and item
    tag = 0
    position, end = 0, len(view)
    last_start = end - _SHORTEST_ELEMENT
    while position <= last_start:
        vr = b""
        if explicit:
            group, element, vr, length = explicit_head(view, position)
            start = position + 8
            if group == 0xFFFE:
                (length,) = long_length(view, position + 4)
            elif vr in LONG_VRS:
                if position + 12 > end:
                    break
                (length,) = long_length(view, position + 8)
                start = position + 12
            elif vr not in SHORT_VRS and not (vr.isalpha() and vr.isupper()):
                if not outer and _is_file(view, position):
                    return values, False
                if tag > _LAST_WANTED or _LAST_WANTED in values:
                    return values, True
                raise MalformedDataSet("An element has no value representation.")
        else:
            group, element, length = implicit_head(view, position)
            start = position + 8
        if not outer:
            tag = group << 16 | element
        if length == _UNDEFINED:
            outer.append(explicit)
            # PS3.5 6.2.2 note 2: UN of undefined length is a sequence in implicit VR.
            explicit = explicit and vr != b"UN"
            position = start
            continue
        if outer and group == 0xFFFE and element in _DELIMITERS:
            explicit = outer.pop()
        position = start + length
        if tag in IDENTIFYING_TAGS and not outer and position <= end:
            values.setdefault(tag, bytes(view[start:position]))
    # Some writers leave a few bytes of padding behind the last element.
    whole = position <= end and not outer and not any(view[position:end])
    if whole or tag > _LAST_WANTED or _LAST_WANTED in values:
        return values, whole
    raise MalformedDataSet("The data set ends within an element.")


def _is_file(view: memoryview, position: int) -> bool:
    """Whether another DICOM file (PS3.10 7.1) stands there, behind the data set."""
    prefix = position + _PREAMBLE
    return view[prefix : prefix + len(_PREFIX)] == _PREFIX


def _inflate(view: memoryview) -> tuple[bytes, bool]:
    """The start of a deflated data set, and whether the deflated stream has an end."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    start = bytearray()
    size = position = 0
    piece: bytes | memoryview = b""
    try:
        while not inflater.eof and size < _LONGEST_INFLATION:
            piece = inflater.unconsumed_tail or view[position : position + _PIECE]
            if not piece:
                return bytes(start), False
            if not inflater.unconsumed_tail:
                position += len(piece)
            inflated = inflater.decompress(piece, 1 << 20)
            size += len(inflated)
            start += inflated[: _LARGEST_INFLATED - len(start)]
    except zlib.error as error:
        raise MalformedDataSet("The deflated data set cannot be inflated.") from error
    return bytes(start), True

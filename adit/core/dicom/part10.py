"""The head of a DICOM file (PS3.10 7.1): preamble, prefix, file meta information."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from .header import (
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    MalformedDataSet,
    decode_uid,
    read_values,
)
from .instance import DicomInstance, FileSlice

PREFIX_END = 132
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_GROUP_LENGTH = 0x00020000
_MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003
_TRANSFER_SYNTAX_UID = 0x00020010
# As a rule the first few hundred bytes; private information may make it longer.
_USUAL_HEAD_SIZE = 4096
_HEAD_SIZE = 1 << 20


class NotPart10(ValueError):
    """The bytes are no DICOM file."""


@dataclass(frozen=True, slots=True)
class Part10Head:
    """What the file meta information says, and where the data set starts."""

    data_offset: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


def head_size(start: bytes | bytearray | memoryview) -> int | None:
    """How many bytes preamble and file meta information take, or None if `start` is too short.

    Raises:
        NotPart10: If the prefix or the group length is missing.
    """
    if len(start) < PREFIX_END + 12:
        return None
    if bytes(start[128:132]) != b"DICM":
        raise NotPart10("The DICM prefix is missing.")
    group, element, vr, length = struct.unpack_from("<HH2sH", start, PREFIX_END)
    if (group << 16 | element, vr, length) == (_GROUP_LENGTH, b"UL", 4):
        return PREFIX_END + 12 + struct.unpack_from("<L", start, PREFIX_END + 8)[0]
    # Some writers leave the group length out although it is required: walk to the end of the group.
    position = PREFIX_END
    while position + 12 <= len(start):
        group, _, vr, length = struct.unpack_from("<HH2sH", start, position)
        if group != 0x0002:
            return position
        if vr in (b"OB", b"UN"):
            position += 12 + struct.unpack_from("<L", start, position + 8)[0]
        else:
            position += 8 + length
    return None


def parse_head(start: bytes | bytearray | memoryview) -> Part10Head:
    """Reads the head at the start of a DICOM file; `start` holds at least the whole head.

    The UIDs are taken from the data set where the file meta information lacks them, as far as
    `start` reaches.

    Raises:
        NotPart10: If this is no start of a DICOM file.
    """
    end = head_size(start)
    if end is None or end > len(start):
        raise NotPart10("The file meta information is incomplete.")
    try:
        meta = read_values(
            bytes(start[PREFIX_END:end]),
            _EXPLICIT_LITTLE,
            (
                _MEDIA_STORAGE_SOP_CLASS_UID,
                _MEDIA_STORAGE_SOP_INSTANCE_UID,
                _TRANSFER_SYNTAX_UID,
            ),
        )
        if _TRANSFER_SYNTAX_UID not in meta:
            raise NotPart10("The file meta information names no transfer syntax.")
        syntax = decode_uid(meta[_TRANSFER_SYNTAX_UID])
        sop_class = decode_uid(meta.get(_MEDIA_STORAGE_SOP_CLASS_UID, b""))
        sop_instance = decode_uid(meta.get(_MEDIA_STORAGE_SOP_INSTANCE_UID, b""))
        if not (sop_class and sop_instance):
            values = read_values(bytes(start[end:]), syntax, (SOP_CLASS_UID, SOP_INSTANCE_UID))
            sop_class = sop_class or decode_uid(values.get(SOP_CLASS_UID, b""))
            sop_instance = sop_instance or decode_uid(values.get(SOP_INSTANCE_UID, b""))
    except MalformedDataSet as error:
        raise NotPart10("The file meta information cannot be read.") from error
    if not (sop_class and sop_instance):
        raise NotPart10("The file names no SOP class or no SOP instance.")
    return Part10Head(end, sop_class, sop_instance, syntax)


def _read_exactly(file: io.FileIO, count: int) -> bytes:
    """So many bytes, or those that there are."""
    data = bytearray()
    while len(data) < count and (piece := file.read(count - len(data))):
        data += piece
    return bytes(data)


def read_part10(path: Path) -> DicomInstance:
    """Takes a DICOM file as an instance; its data set stays in the file.

    Raises:
        NotPart10: If it is no DICOM file; the message names the file.
    """
    with path.open("rb", buffering=0) as file:
        start = file.read(_USUAL_HEAD_SIZE)
        try:
            head = parse_head(start)
        except NotPart10:
            start += _read_exactly(file, _HEAD_SIZE - len(start))
            try:
                head = parse_head(start)
            except NotPart10 as error:
                raise NotPart10(f"{path.name}: {error}") from error
        size = os.fstat(file.fileno()).st_size - head.data_offset
    return DicomInstance(
        head.sop_class_uid,
        head.sop_instance_uid,
        head.transfer_syntax_uid,
        FileSlice(path, head.data_offset, size),
    )

"""Preamble and file meta information (PS3.10 7.1) for a data set that is already encoded."""

from __future__ import annotations

import struct

# An implementation needs a UID (PS3.7 D.3.3.2); this one is derived from a UUID (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID = "2.25.263814938218927409876403713914519736521"
IMPLEMENTATION_VERSION_NAME = "ADIT"

_VERSION = 0x0001
_MEDIA_STORAGE_SOP_CLASS_UID = 0x0002
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x0003
_TRANSFER_SYNTAX_UID = 0x0010
_IMPLEMENTATION_CLASS_UID = 0x0012
_IMPLEMENTATION_VERSION_NAME = 0x0013
_SOURCE_AE_TITLE = 0x0016


def encode_head(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str = ""
) -> bytes:
    """Returns what stands before the data set in a DICOM file; always explicit little endian."""
    source = b""
    if source_ae_title:
        title = source_ae_title.encode("ascii", "replace").decode("ascii")
        source = _short(_SOURCE_AE_TITLE, b"AE", title, b" ")
    elements = b"".join(
        (
            struct.pack("<HH2sxxL", 0x0002, _VERSION, b"OB", 2) + b"\x00\x01",
            _short(_MEDIA_STORAGE_SOP_CLASS_UID, b"UI", sop_class_uid, b"\0"),
            _short(_MEDIA_STORAGE_SOP_INSTANCE_UID, b"UI", sop_instance_uid, b"\0"),
            _short(_TRANSFER_SYNTAX_UID, b"UI", transfer_syntax_uid, b"\0"),
            _short(_IMPLEMENTATION_CLASS_UID, b"UI", IMPLEMENTATION_CLASS_UID, b"\0"),
            _short(_IMPLEMENTATION_VERSION_NAME, b"SH", IMPLEMENTATION_VERSION_NAME, b" "),
            source,
        )
    )
    group_length = struct.pack("<HH2sHL", 0x0002, 0x0000, b"UL", 4, len(elements))
    return b"\0" * 128 + b"DICM" + group_length + elements


def _short(element: int, vr: bytes, value: str, padding: bytes) -> bytes:
    encoded = value.encode("ascii")
    if len(encoded) % 2:
        encoded += padding
    return struct.pack("<HH2sH", 0x0002, element, vr, len(encoded)) + encoded

"""Another transfer syntax for peers that refuse the one an instance has; only without loss.

The SOP Instance UID stays: PS3.3 C.12.1.1.1 and PS3.4 B.4.1.3 let the encoding change where no
pixel value does. All else keeps its bytes; see `recoding`.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from .contexts import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from .instance import DicomInstance
from .recoding import PIXEL_DATA, exchange, to_implicit

_DEFLATED = "1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
# What can be decompressed to the very pixels that were compressed.
LOSSLESS_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2.4.57",  # JPEG lossless
        "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
        "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
        "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
        "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
        "1.2.840.10008.1.2.4.202",  # HTJ2K lossless RPCL
        _RLE,  # RLE lossless
    }
)
_LARGEST_INFLATED = 1 << 31
_LARGEST_PIXEL_DATA = 0xFFFFFFFE
_PHOTOMETRIC_INTERPRETATION, _PLANAR_CONFIGURATION = 0x00280004, 0x00280006
# PS3.5 A.4: where the frames begin in what was compressed.
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
# The decompressed samples of the others are not those that were compressed.
_COLORS = frozenset(
    {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_RCT", "YBR_ICT"}
)


class NotTranscodable(ValueError):
    """The instance cannot be encoded otherwise without loss, or cannot be read."""


def plain_syntaxes(transfer_syntax_uid: str) -> tuple[str, ...]:
    """The uncompressed syntaxes to try where this one is refused; empty where none is lossless."""
    if transfer_syntax_uid in LOSSLESS_SYNTAXES or transfer_syntax_uid == _DEFLATED:
        return (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    return (IMPLICIT_LITTLE,) if transfer_syntax_uid == EXPLICIT_LITTLE else ()


def transcode(instance: DicomInstance, transfer_syntax_uid: str) -> DicomInstance:
    """The same instance in one of its `plain_syntaxes`, in memory.

    Raises:
        NotTranscodable: If it cannot be had without loss.
    """
    syntax = instance.transfer_syntax_uid
    assert transfer_syntax_uid in plain_syntaxes(syntax)
    try:
        if syntax == _DEFLATED:
            data = _inflate(instance.read())
        elif syntax in LOSSLESS_SYNTAXES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = _decompress(instance)
        else:
            data = instance.read()
        if transfer_syntax_uid == IMPLICIT_LITTLE:
            data = to_implicit(data)
    except NotTranscodable:
        raise
    except Exception as error:
        # Codecs raise whatever they like on damaged data.
        raise NotTranscodable("The instance cannot be decompressed.") from error
    return DicomInstance(
        instance.sop_class_uid, instance.sop_instance_uid, transfer_syntax_uid, data
    )


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data, _LARGEST_INFLATED)
    if not inflater.eof:
        raise NotTranscodable("The instance is cut off, or too large to be inflated in memory.")
    return inflated + b"\0" * (len(inflated) % 2)


def _decompress(instance: DicomInstance) -> bytes:
    """The data set in explicit VR little endian."""
    data = instance.read()
    ds = dcmread(BytesIO(instance.file_meta() + data), force=True)
    if "PixelData" not in ds:
        return exchange(data, {})
    frames: list[bytes] = []
    description: Mapping[str, object] = {}
    decoder = get_decoder(UID(instance.transfer_syntax_uid))
    correct = _must_extend_signs(ds, instance.transfer_syntax_uid)
    for array, description in decoder.iter_array(  # noqa: B007
        ds, raw=False, as_rgb=False, correct_unused_bits=correct
    ):
        frames.append(array.tobytes())
    color = str(ds.PhotometricInterpretation)
    if len(frames) != int(ds.get("NumberOfFrames") or 1) or color not in _COLORS:
        raise NotTranscodable("What was compressed is not described as it should be.")
    pixels = b"".join(frames)
    if len(pixels) > _LARGEST_PIXEL_DATA:
        raise NotTranscodable("The instance is too large to be uncompressed.")
    wide = int(ds.BitsAllocated) > 8
    changes: dict[int, tuple[bytes, bytes] | None] = dict.fromkeys(_OFFSET_TABLES)
    changes[PIXEL_DATA] = (b"OW" if wide else b"OB", pixels + b"\0" * (len(pixels) % 2))
    new_color = str(description["photometric_interpretation"])
    if new_color != color:
        text = new_color.encode("ascii")
        changes[_PHOTOMETRIC_INTERPRETATION] = (b"CS", text + b" " * (len(text) % 2))
    planar = description.get("planar_configuration")
    if int(ds.SamplesPerPixel) > 1 and planar != ds.get("PlanarConfiguration"):
        changes[_PLANAR_CONFIGURATION] = (b"US", struct.pack("<H", planar))
    return exchange(data, changes)


def _must_extend_signs(ds: Dataset, transfer_syntax_uid: str) -> bool:
    """Whether the bits above Bits Stored are to be filled with the sign (PS3.5 8.1.1).

    Otherwise they are what was compressed, for they may hold an overlay (retired, PS3.3 C.9.2 of
    2004), or something else.

    Raises:
        NotTranscodable: If it must be both.
    """
    signed = ds.get("PixelRepresentation") == 1 and ds.BitsStored < ds.BitsAllocated
    if transfer_syntax_uid == _RLE or not signed:
        return False
    if _has_embedded_overlay(ds):
        raise NotTranscodable("An overlay lies within the pixel data.")
    return True


def _has_embedded_overlay(ds: Dataset) -> bool:
    groups = [0x60000000 + (number << 16) for number in range(0, 0x20, 2)]
    return any(group + 0x0010 in ds and group + 0x3000 not in ds for group in groups)

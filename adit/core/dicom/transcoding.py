"""Another transfer syntax for peers that refuse the one an instance has; only without loss.

The SOP Instance UID stays: PS3.3 C.12.1.1.1 and PS3.4 B.4.1.3 let the encoding change where no
pixel value does.
"""

from __future__ import annotations

import warnings
import zlib
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from .contexts import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from .instance import DicomInstance

_DEFLATED = "1.2.840.10008.1.2.1.99"
# What can be decompressed to the very pixels that were compressed.
LOSSLESS_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2.4.57",  # JPEG lossless
        "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
        "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
        "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
        "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
        "1.2.840.10008.1.2.4.202",  # HTJ2K lossless RPCL
        "1.2.840.10008.1.2.5",  # RLE lossless
    }
)
_LARGEST_INFLATED = 1 << 31


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
        if syntax == _DEFLATED and transfer_syntax_uid == EXPLICIT_LITTLE:
            data = _inflate(instance.read())
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = _recode(instance, UID(transfer_syntax_uid))
    except NotTranscodable:
        raise
    except Exception as error:
        # Codecs raise whatever they like on damaged data.
        raise NotTranscodable("The instance cannot be decompressed.") from error
    return DicomInstance(
        instance.sop_class_uid, instance.sop_instance_uid, transfer_syntax_uid, data
    )


def _inflate(data: bytes) -> bytes:
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _LARGEST_INFLATED)
    return inflated + b"\0" * (len(inflated) % 2)


def _recode(instance: DicomInstance, target: UID) -> bytes:
    ds = dcmread(BytesIO(instance.file_meta() + instance.read()), force=True)
    if UID(instance.transfer_syntax_uid).is_encapsulated:
        if _has_nested_frames(ds):
            raise NotTranscodable("A picture within a sequence is compressed, too.")
        if "PixelData" in ds:
            ds.decompress(as_rgb=False, generate_instance_uid=False)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, target.is_implicit_VR
    write_dataset(buffer, ds)
    return buffer.getvalue()


def _has_nested_frames(ds: Dataset) -> bool:
    return any(
        item.get_item("PixelData") is not None
        for element in ds
        if element.VR == "SQ"
        for item in element.value or ()
    )

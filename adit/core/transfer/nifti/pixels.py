"""Whether an instance has pixels."""

from __future__ import annotations

from adit.core.dicom import DicomInstance, is_deflated

# (7FE0,0010) Pixel Data, (7FE0,0008) Float Pixel Data, (7FE0,0009) Double Float Pixel Data.
_TAGS = tuple(
    bytes.fromhex(text)
    for text in ("e07f1000", "e07f0800", "e07f0900", "7fe00010", "7fe00008", "7fe00009")
)
# SOP classes without pixels whose data may hold those bytes by chance (PS3.4 B.5).
_WITHOUT = ("1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.11.")
_CHUNK = 1 << 20


def has_pixels(instance: DicomInstance) -> bool:
    """Whether the data set holds an element with pixels; of a deflated one it is assumed."""
    if instance.sop_class_uid.startswith(_WITHOUT):
        return False
    if is_deflated(instance.transfer_syntax_uid):
        return True
    before = b""
    with instance.open() as file:
        while chunk := file.read(_CHUNK):
            text = before + chunk
            if any(tag in text for tag in _TAGS):
                return True
            before = chunk[-3:]
    return False

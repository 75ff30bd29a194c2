"""Documents and whole instances to download, as they would leave."""

from __future__ import annotations

import io
from dataclasses import dataclass

from django.http import HttpResponse
from pydicom import Dataset

from adit.core.dicom import DicomInstance

_CLASS = "1.2.840.10008.5.1.4.1.1.104."
# What encapsulated documents are by their SOP class (PS3.4 B.5), and what such a file is called.
_KINDS = {
    f"{_CLASS}1": ("PDF", "pdf"),
    f"{_CLASS}2": ("CDA (XML)", "xml"),
    f"{_CLASS}3": ("STL", "stl"),
    f"{_CLASS}4": ("OBJ", "obj"),
    f"{_CLASS}5": ("MTL", "mtl"),
}
_ANYTHING = "application/octet-stream"


@dataclass(frozen=True)
class Document:
    """An encapsulated document (PS3.3 C.24.2).

    Attributes:
        kind: What its SOP class says it is.
        remark: Where its first bytes say otherwise.
    """

    data: bytes
    kind: str
    suffix: str
    media_type: str
    remark: str = ""


def document_of(dataset: Dataset) -> Document | None:
    """The document of an instance, if it has one. Whatever the header says of its type, only what
    begins like a PDF is called one."""
    data = dataset.get("EncapsulatedDocument")
    if not isinstance(data, bytes):
        return None
    length = dataset.get("EncapsulatedDocumentLength")
    if isinstance(length, int) and len(data) - 1 <= length <= len(data):
        data = data[:length]
    kind, suffix = _KINDS.get(str(dataset.get("SOPClassUID")), ("unknown kind", "bin"))
    if b"%PDF-" in data[:1024]:
        remark = "" if suffix == "pdf" else "It begins like a PDF."
        return Document(data, kind, "pdf", "application/pdf", remark)
    if suffix == "pdf":
        return Document(data, kind, "bin", _ANYTHING, "It does not begin like a PDF.")
    return Document(data, kind, suffix, _ANYTHING)


def as_download(data: bytes, media_type: str, name: str) -> HttpResponse:
    """A file that no browser opens by itself, or takes for something else.

    Args:
        name: Says nothing of the patient.
    """
    response = HttpResponse(data, content_type=media_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def part10(instance: DicomInstance) -> bytes:
    """The instance as a DICOM file."""
    buffer = io.BytesIO()
    instance.write_part10(buffer)
    return buffer.getvalue()

"""What goes through the pipeline after the fetch."""

from __future__ import annotations

from dataclasses import dataclass

from adit.core.dicom import DicomError, DicomInstance


@dataclass(slots=True)
class Outgoing:
    """An instance ready to be delivered.

    Attributes:
        source_uid: its SOP Instance UID at the source.
        series_uid: its Series Instance UID at the destination.
        study_uid: its Study Instance UID at the destination.
        source_series_uid: its Series Instance UID at the source.
        sha256: of the data set as it leaves, hexadecimal.
    """

    source_uid: str
    source_series_uid: str
    study_uid: str
    series_uid: str
    instance: DicomInstance
    sha256: str

    @property
    def size(self) -> int:
        return self.instance.size

    def discard(self) -> None:
        self.instance.discard()


@dataclass(slots=True)
class Delivered:
    """What the destination said to one instance. `note` is a remark on an accepted one; `excluded`
    says why it stays behind on purpose."""

    outgoing: Outgoing
    error: DicomError | None = None
    note: str = ""
    excluded: str = ""

"""The instances that a PACS double holds, in memory or in a folder."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from .phantoms.writer import IMPLEMENTATION_CLASS_UID

QUERY_ATTRIBUTES = [
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDate"),
    *("StudyTime", "SeriesTime", "AccessionNumber", "Modality", "InstitutionName"),
    *("ReferringPhysicianName", "StudyDescription", "SeriesDescription", "PatientName"),
    *("PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientComments"),
    *("BodyPartExamined", "ProtocolName", "StudyInstanceUID", "SeriesInstanceUID", "StudyID"),
    *("SeriesNumber", "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "StationName"),
    *("ContentDate", "ContentTime", "PerformedProcedureStepStartDate", "IssuerOfPatientID"),
]
"""What is kept of each header for queries."""


@dataclass(frozen=True, slots=True, eq=False)
class ArchivedInstance:
    """One instance: its query attributes, and its encoded data set as it came in."""

    attributes: Dataset
    transfer_syntax_uid: UID
    content: bytes | Path

    @property
    def sop_class_uid(self) -> UID:
        return self.attributes.SOPClassUID

    @property
    def sop_instance_uid(self) -> UID:
        return self.attributes.SOPInstanceUID

    @property
    def patient_id(self) -> str:
        return str(self.attributes.get("PatientID") or "")

    def encoded(self) -> bytes:
        """The data set without preamble and file meta information."""
        if isinstance(self.content, bytes):
            return self.content
        raw = self.content.read_bytes()
        return raw[data_set_offset(raw) :]

    def dataset(self) -> Dataset:
        """The whole data set, decoded."""
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = self.transfer_syntax_uid
        target = DicomBytesIO()
        target.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(target, meta, enforce_standard=False)
        return dcmread(BytesIO(target.getvalue() + self.encoded()))


def data_set_offset(part10: bytes) -> int:
    """Where the data set of a Part 10 file starts: after the group 0002 (PS3.10 7.1)."""
    length = int.from_bytes(part10[140:144], "little")
    return 144 + length


class Archive:
    """Instances by SOP Instance UID and patient, as copies under another patient ID are instances
    of their own to a PACS. Safe for threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """Open the archive; what the folder holds already is in it."""
        self.folder = folder
        self._lock = threading.Lock()
        self._instances: dict[str, dict[str, ArchivedInstance]] = {}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.rglob("*.dcm")):
                self.add_file(path)

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._instances.values()))

    def __iter__(self) -> Iterator[ArchivedInstance]:
        with self._lock:
            return iter([one for copies in self._instances.values() for one in copies.values()])

    def __contains__(self, sop_instance_uid: object) -> bool:
        return sop_instance_uid in self._instances

    def get(self, sop_instance_uid: str) -> ArchivedInstance:
        """One instance by its UID, the first of several.

        Raises:
            KeyError: The archive does not have it.
        """
        with self._lock:
            return next(iter(self._instances[sop_instance_uid].values()))

    def add_file(self, path: Path) -> None:
        """Add a Part 10 file that stays where it is.

        Raises:
            InvalidDicomError: The file is not DICOM; the message names it.
        """
        try:
            attributes = dcmread(path, specific_tags=QUERY_ATTRIBUTES, stop_before_pixels=True)
            syntax = read_file_meta_info(path).TransferSyntaxUID
        except (InvalidDicomError, AttributeError) as error:
            raise InvalidDicomError(f"{path}: {error}") from error
        self._put(ArchivedInstance(_plain(attributes), syntax, path))

    def add_dataset(self, ds: Dataset) -> None:
        """Add a data set as its file meta information says it is encoded."""
        buffer = BytesIO()
        dcmwrite(buffer, ds, enforce_file_format=True)
        raw = buffer.getvalue()
        self.add_encoded(raw[data_set_offset(raw) :], ds.file_meta.TransferSyntaxUID)

    def add_datasets(self, datasets: Iterable[Dataset]) -> None:
        """Add several data sets."""
        for ds in datasets:
            self.add_dataset(ds)

    def add_encoded(self, data: bytes, transfer_syntax_uid: UID) -> None:
        """Add an encoded data set, byte for byte."""
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = transfer_syntax_uid
        meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
        probe = ArchivedInstance(Dataset(), transfer_syntax_uid, data)
        attributes = _plain(probe.dataset())
        if self.folder is None:
            self._put(ArchivedInstance(attributes, transfer_syntax_uid, data))
            return
        path = self._write(self.folder, attributes, transfer_syntax_uid, data)
        self._put(ArchivedInstance(attributes, transfer_syntax_uid, path))

    def clear(self) -> None:
        """Forget all instances; files stay."""
        with self._lock:
            self._instances.clear()

    def _put(self, instance: ArchivedInstance) -> None:
        with self._lock:
            copies = self._instances.setdefault(str(instance.sop_instance_uid), {})
            copies[instance.patient_id] = instance

    def _write(self, folder: Path, attributes: Dataset, syntax: UID, data: bytes) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = attributes.SOPClassUID
        meta.MediaStorageSOPInstanceUID = attributes.SOPInstanceUID
        meta.TransferSyntaxUID = syntax
        meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
        target = DicomBytesIO()
        target.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(target, meta, enforce_standard=True)
        path = (
            folder
            / str(attributes.StudyInstanceUID)
            / str(attributes.SeriesInstanceUID)
            / f"{attributes.SOPInstanceUID}.dcm"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(target.getvalue() + data)
        return path


def recoded(instance: ArchivedInstance, transfer_syntax_uid: UID) -> bytes:
    """The data set in another, uncompressed transfer syntax, as PACS do for simple peers."""
    ds = instance.dataset()
    if instance.transfer_syntax_uid.is_compressed:
        ds.decompress(generate_instance_uid=False)
    encoded = encode(ds, transfer_syntax_uid.is_implicit_VR, transfer_syntax_uid.is_little_endian)
    assert encoded is not None, "a data set that was read can be written"
    return encoded


def _plain(ds: Dataset) -> Dataset:
    """Only the query attributes, decoded, so that the whole data set can be freed."""
    plain = Dataset()
    for keyword in QUERY_ATTRIBUTES:
        if keyword in ds:
            plain[keyword] = ds[keyword]
    return plain

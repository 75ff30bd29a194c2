"""Objects of the tests: pydicom's own files and small data sets, encoded and decoded."""

from __future__ import annotations

import io
import warnings
import zlib
from collections import Counter
from functools import cache
from pathlib import Path

import pydicom.data
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset, read_partial
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from adit.core.deid import Assignment, DeidResult, Option, Profile, Pseudonymizer
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element

SECRET = b"a secret of the test, 32 bytes!!"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
BROKEN_FILES = {
    "MR_truncated.dcm",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
    "rtplan_truncated.dcm",
}
"""Files that end too early, on purpose."""


def profile(*options: Option, **changes) -> Profile:
    """A profile that excludes no modality."""
    settings = {"name": "Test", "secret": SECRET, "excluded_modalities": frozenset()}
    return Profile(**{**settings, "options": frozenset(options), **changes})


def encode(dataset: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """A data set without file meta information."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = transfer_syntax_uid != ExplicitVRBigEndian
    buffer.is_implicit_VR = transfer_syntax_uid == ImplicitVRLittleEndian
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(buffer, dataset, dataset.get("SpecificCharacterSet") or "iso8859")
    data = buffer.getvalue()
    if transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = deflate.compress(data) + deflate.flush()
    return data


def decode(data: bytes, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> Dataset:
    """The inverse of `encode`."""
    if transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        data = zlib.decompress(data, -zlib.MAX_WBITS)
    implicit = transfer_syntax_uid == ImplicitVRLittleEndian
    return read_dataset(io.BytesIO(data), implicit, transfer_syntax_uid != ExplicitVRBigEndian)


def process(
    data: bytes,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    *,
    under: Profile | None = None,
    assignment: Assignment | None = None,
) -> tuple[bytes, DeidResult]:
    """De-identifies encoded bytes."""
    target = io.BytesIO()
    pseudonymizer = Pseudonymizer(under or profile(), assignment or Assignment(pseudonym="SUBJ-7"))
    result = pseudonymizer.process(io.BytesIO(data), target, transfer_syntax_uid)
    return target.getvalue(), result


def process_dataset(dataset: Dataset, **arguments) -> tuple[Dataset, DeidResult]:
    """De-identifies a data set in explicit little endian."""
    data, result = process(encode(dataset), **arguments)
    return decode(data), result


def ct_header(**attributes: object) -> Dataset:
    """The attributes that every object has, and those given."""
    dataset = Dataset()
    dataset.SOPClassUID = CT_IMAGE
    dataset.SOPInstanceUID = "1.2.3.4.5.6.7.8.9.1"
    dataset.StudyInstanceUID = "1.2.3.4.5.6.7.8.9.2"
    dataset.SeriesInstanceUID = "1.2.3.4.5.6.7.8.9.3"
    dataset.Modality = "CT"
    dataset.PatientID = "PID-4711"
    dataset.PatientName = "Schmidt^Hannelore"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def sample_files() -> list[Path]:
    """Every DICOM file of pydicom and pydicom-data that is on this machine; none is downloaded."""
    folders = [Path(pydicom.data.__file__).parent / "test_files"]
    import data_store

    folders.append(Path(data_store.__file__).parent / "data")
    found = []
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.is_file() and path.stat().st_size > 132:
            with path.open("rb") as file:
                file.seek(128)
                if file.read(4) == b"DICM" and not path.name.startswith("DICOMDIR"):
                    found.append(path)
    return found


def sample(path: Path) -> tuple[bytes, str]:
    """Encoded data set of a file, and its transfer syntax (empty if it tells none)."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meta = read_partial(file, stop_when=lambda tag, vr, length: True).file_meta
        length = meta.get("FileMetaInformationGroupLength")
        file.seek(144 + length if length is not None else _end_of_meta(path))
        return file.read(), str(meta.get("TransferSyntaxUID", ""))


def _end_of_meta(path: Path) -> int:
    data = path.read_bytes()
    position = 132
    while data[position : position + 2] == b"\x02\x00":
        if data[position + 4 : position + 6] in (b"OB", b"UN"):
            position += 12 + int.from_bytes(data[position + 8 : position + 12], "little")
        else:
            position += 8 + int.from_bytes(data[position + 6 : position + 8], "little")
    return position


def part10(data: bytes, transfer_syntax_uid: str, result: DeidResult) -> bytes:
    """A DICOM file around a data set (PS3.10 7.1)."""
    meta = Dataset()
    if result.sop_class_uid:
        meta.add_new(0x00020002, "UI", result.sop_class_uid)
    if result.sop_instance_uid:
        meta.add_new(0x00020003, "UI", result.sop_instance_uid)
    meta.add_new(0x00020010, "UI", transfer_syntax_uid)
    meta.add_new(0x00020012, "UI", PYDICOM_IMPLEMENTATION_UID)
    return bytes(128) + b"DICM" + encode_meta(meta) + data


def encode_meta(meta: Dataset) -> bytes:
    """File meta information, which `write_dataset` would refuse in a data set."""
    body = b"".join(
        encode_element(EXPLICIT_LITTLE, element.tag, b"UI", element.value.encode())
        for element in meta
    )
    version = encode_element(EXPLICIT_LITTLE, 0x00020001, b"OB", b"\0\1")
    length = len(version + body).to_bytes(4, "little")
    return encode_element(EXPLICIT_LITTLE, 0x00020000, b"UL", length) + version + body


@cache
def phantoms(per_series: int = 1) -> list[tuple[bytes, str]]:
    """Instances of the example studies, as encoded data sets with their transfer syntax."""
    from adit.test_pacs.phantoms import example_instances

    seen: Counter[str] = Counter()
    found = []
    for dataset in example_instances(scale=0.1, samples=False):
        uid = str(dataset.SeriesInstanceUID)
        seen[uid] += 1
        if seen[uid] <= per_series:
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=True)
            data = buffer.getvalue()
            syntax = str(dataset.file_meta.TransferSyntaxUID)
            found.append((data[144 + int.from_bytes(data[140:144], "little") :], syntax))
    return found

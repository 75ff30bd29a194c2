"""Instances for tests: small synthetic ones, and the real files of pydicom and pydicom-data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_charset_files, get_testdata_files
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, generate_uid

from adit.core.dicom import DicomInstance, NotPart10, read_part10

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def make_instance(
    *, syntax: str = EXPLICIT, pixels: int = 16, **attributes: object
) -> DicomInstance:
    """A synthetic instance with `pixels` bytes of pixel data; None leaves an attribute out."""
    data_set = Dataset()
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(),
        "StudyDate": "20240229",
        "StudyTime": "120000",
        "AccessionNumber": "A1",
        "Modality": "CT",
        "StudyDescription": "Head",
        "SeriesDescription": "Axial",
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "StudyInstanceUID": "1.2.3.1",
        "SeriesInstanceUID": "1.2.3.1.1",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(data_set, keyword, value)
    data_set.add_new(0x00091001, "LO", "private")
    data_set.add_new(0x00090010, "LO", "ADIT TEST")
    if pixels:
        data_set.Columns = min(pixels // 2, 500)
        data_set.Rows = pixels // 2 // data_set.Columns
        data_set.BitsAllocated = data_set.BitsStored = 16
        data_set.HighBit, data_set.PixelRepresentation, data_set.SamplesPerPixel = 15, 0, 1
        data_set.PhotometricInterpretation = "MONOCHROME2"
        data_set.add_new(
            0x7FE00010, "OW", bytes(range(256)) * (pixels // 256) + bytes(pixels % 256)
        )
    return DicomInstance(
        str(data_set.SOPClassUID), str(data_set.SOPInstanceUID), syntax, encode(data_set, syntax)
    )


def encode(data_set: Dataset, syntax: str) -> bytes:
    """Encodes a data set without preamble and file meta information."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = UID(syntax).is_little_endian
    buffer.is_implicit_VR = UID(syntax).is_implicit_VR
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def content(instance: DicomInstance) -> list[tuple[int, object]]:
    """All elements with their values, however the data set is encoded.

    Binary values (pixel data and UN elements among them) count byte for byte; texts without their
    padding. Group lengths and trailing padding say nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = dcmread(BytesIO(instance.file_meta() + instance.read()), force=True)
        elements = []
        for element in data_set.iterall():
            if element.tag.element == 0 or element.tag == 0xFFFCFFFC or element.VR == "SQ":
                continue
            value = element.value
            if isinstance(value, bytes):
                value = value.rstrip(b"\0") if element.VR == "UN" else value
            else:
                value = (
                    [str(one).strip(" \0") for one in element.value]
                    if element.VM > 1
                    else (str(value).strip(" \0"))
                )
            elements.append((int(element.tag), value if value not in (None, "None") else ""))
    return elements


def make_series(count: int, **attributes: object) -> list[DicomInstance]:
    """Several instances of one series."""
    return [make_instance(InstanceNumber=number + 1, **attributes) for number in range(count)]  # type: ignore[arg-type]


def installed_files() -> list[Path]:
    """All test files of pydicom (those of the character sets too) and of pydicom-data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {*get_testdata_files("**/*"), *get_charset_files("**/*")}
    return sorted(path for path in map(Path, names) if path.is_file())


@cache
def real_files() -> tuple[Path, ...]:
    """Every valid DICOM instance among the test files that are installed with pydicom."""
    return tuple(path for path in installed_files() if _is_instance(path))


def _is_instance(path: Path) -> bool:
    try:
        identifiers = read_part10(path).identifiers()
    except (NotPart10, ValueError, OSError):
        return False
    return bool(
        identifiers.sop_instance_uid
        and identifiers.sop_class_uid
        and identifiers.study_instance_uid
        and identifiers.series_instance_uid
        and identifiers.sop_class_uid != "1.2.840.10008.1.3.10"
    )


def real_instances() -> Iterator[DicomInstance]:
    """The instances of `real_files`, each SOP Instance UID once, their data sets in memory."""
    seen: set[str] = set()
    for path in real_files():
        instance = read_part10(path)
        uid = instance.identifiers().sop_instance_uid
        if uid not in seen:
            seen.add(uid)
            instance.sop_instance_uid = uid
            instance.data = instance.read()
            yield instance

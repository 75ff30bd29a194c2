"""The test files of pydicom and pydicom-data as instances, and what of them must never change."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import DataElement, Dataset, dcmread

from adit.core.dicom import DicomInstance, NotPart10, read_part10
from adit.core.dicom.header import MalformedDataSet, read_values
from adit.core.dicom.tests.samples import installed_files, real_files

_PIXEL_GROUP = 0x7FE0
_LAST_TAG = 0xFFFFFFFF
# What stands beside DICOM files.
_OTHER_FORMATS = (".json", ".zip", ".md", ".py", ".txt", ".bz2", ".xml", ".tgz", ".gz")


@dataclass(frozen=True)
class CorpusFile:
    """A file with its instance in memory."""

    name: str
    instance: DicomInstance


def corpus() -> list[CorpusFile]:
    """All valid instances, those too that share their SOP Instance UID with others."""
    files = []
    for path in real_files():
        instance = read_part10(path)
        instance.sop_instance_uid = instance.identifiers().sop_instance_uid
        instance.data = instance.read()
        if _is_whole(instance):
            files.append(CorpusFile(path.name, instance))
    return files


def _is_whole(instance: DicomInstance) -> bool:
    """Whether the data set ends where its last element does: DCMTK waits for the rest, else."""
    try:
        read_values(instance.read(), instance.transfer_syntax_uid, [_LAST_TAG])
    except MalformedDataSet:
        return False
    return True


def rounds(files: list[CorpusFile]) -> list[list[CorpusFile]]:
    """The files in groups that hold each SOP Instance UID once: a PACS keeps one of them."""
    groups: list[dict[str, CorpusFile]] = []
    for file in files:
        uid = file.instance.sop_instance_uid
        group = next((group for group in groups if uid not in group), None)
        if group is None:
            groups.append(group := {})
        group[uid] = file
    return [list(group.values()) for group in groups]


def left_out() -> dict[str, str]:
    """Why a file is no instance, by name."""
    reasons: dict[str, str] = {}
    taken = {file.name for file in corpus()}
    for path in installed_files():
        if path.suffix not in _OTHER_FORMATS and path.name not in taken:
            reasons[path.name] = _why_left_out(path)
    return reasons


def _why_left_out(path: Path) -> str:
    try:
        instance = read_part10(path)
        identifiers = instance.identifiers()
    except NotPart10:
        return "no DICOM file"
    except MalformedDataSet:
        return "not encoded as it says"
    if identifiers.study_instance_uid:
        return "truncated"
    if identifiers.sop_instance_uid:
        return "of no study"
    return "no instance"


def sacred(instance: DicomInstance) -> list[tuple[str, bytes]]:
    """Pixel data and private elements, nested ones too, byte for byte with their places."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = dcmread(BytesIO(instance.file_meta() + instance.read()), force=True)
        return list(_sacred(data_set, "", private=False))


def _sacred(data_set: Dataset, place: str, *, private: bool) -> Iterator[tuple[str, bytes]]:
    for tag in sorted(data_set.keys()):
        kept = private or tag.is_private or tag.group == _PIXEL_GROUP
        here = f"{place}/{tag}"
        raw = data_set.get_item(tag)
        value = raw.value if not isinstance(raw, DataElement) else None
        is_sequence = data_set[tag].VR == "SQ"
        if is_sequence:
            for number, item in enumerate(data_set[tag].value):
                yield f"{here}[{number}]", b""
                yield from _sacred(item, f"{here}[{number}]", private=kept)
        elif kept and tag.element != 0:
            # Group lengths (element 0) are retired and tell of the encoding only.
            assert value is None or isinstance(value, bytes)
            yield here, value or b""

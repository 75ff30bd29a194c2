"""Compares what was delivered with what was at the source, instance by instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydicom import Dataset

# Pixel data in each of its forms (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25).
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_IDENTIFYING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientAddress",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientComments",
)


@dataclass
class Comparison:
    """What was found; `faults` is empty where everything is as it should be."""

    compared: int = 0
    faults: list[str] = field(default_factory=list)


def compare_pseudonymised(
    sources: Iterable[Dataset],
    delivered: Iterable[Dataset],
    new_uids: Mapping[str, str],
    pseudonym: str,
) -> Comparison:
    """Hold each source instance against the one that was made of it.

    Args:
        new_uids: SOP Instance UID at the destination by that at the source.
        pseudonym: what must stand as patient id and name.
    """
    result = Comparison()
    there = {str(ds.SOPInstanceUID): ds for ds in delivered}
    for source in sources:
        uid = str(source.SOPInstanceUID)
        new = there.pop(new_uids.get(uid, ""), None)
        if new is None:
            result.faults.append(f"{uid} did not arrive")
            continue
        result.compared += 1
        result.faults += [f"{uid}: {fault}" for fault in _faults(source, new, pseudonym)]
    result.faults += [f"{uid} was not expected" for uid in there]
    return result


def _faults(source: Dataset, new: Dataset, pseudonym: str) -> Iterable[str]:
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if source[keyword].value == new[keyword].value:
            yield f"{keyword} was not replaced"
    if new.SOPClassUID != source.SOPClassUID:
        yield "another SOP class"
    if (str(new.PatientID), str(new.PatientName)) != (pseudonym, pseudonym):
        yield "the pseudonym is not in its place"
    for tag in _PIXELS:
        before, after = source.get(tag), new.get(tag)
        if (before is None) != (after is None) or (before and before.value != after.value):
            yield "other pixel data"
    texts = "\n".join(_texts(new)).casefold()
    for keyword in _IDENTIFYING:
        for part in _parts(source, keyword):
            if part in texts:
                yield f"a part of {keyword} is left"


def _parts(ds: Dataset, keyword: str) -> Iterable[str]:
    """The parts of an identifying value that are long enough to tell something."""
    value = str(ds.get(keyword) or "")
    pieces = value.replace("=", "^").split("^") if keyword.endswith("Name") else [value]
    return [piece.casefold() for piece in pieces if len(piece) >= 4]


def _texts(ds: Dataset) -> Iterable[str]:
    for element in ds.iterall():
        # The digits of a replaced UID may contain anything.
        if element.tag not in _PIXELS and element.VR not in ("SQ", "UI"):
            yield str(element.value)

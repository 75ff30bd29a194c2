"""Compares the engine with dicom-anonymizer, element by element, and writes the differences down.

    uv run python -m adit.core.deid.tests.second_engine

rewrites `docs/reference/deidentification-second-engine.md`.
"""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from dicomanonymizer import anonymize_dataset
from pydicom.dataset import Dataset

from adit.core.deid import BurnedInPolicy
from adit.core.deid.table import basic_action
from adit.core.deid.tests.objects import (
    BROKEN_FILES,
    decode,
    encode,
    process,
    profile,
    sample,
    sample_files,
)

DOCUMENT = Path(__file__).resolve().parents[4] / "docs/reference/deidentification-second-engine.md"

Kind = tuple[str, str, str]
"""Code of the table (`-`: not in it), outcome here, outcome there."""

_DUMMY_DATE = (
    "dicom-anonymizer writes a fixed date or time where the table allows zero length; ADIT leaves "
    "the attribute without a value, so that nobody takes an invented date for a true one."
)
_STRICTER = (
    "The table leaves a choice by the type of the attribute in the kind of object. It is optional "
    "there: ADIT removes it, dicom-anonymizer puts a dummy in its place."
)
_KEYED = (
    "Zero or dummy is allowed. ADIT writes the pseudonym, or a keyed id that is the same for the "
    "same original, so that the objects of a patient and an order stay together."
)

REASONS: dict[Kind, str] = {
    ("X/Z", "emptied", "replaced"): _DUMMY_DATE,
    ("Z", "emptied", "replaced"): _DUMMY_DATE,
    ("Z/D", "emptied", "replaced"): (
        "Type 2 in these kinds of objects, so zero length is valid and tells least; "
        "dicom-anonymizer writes a dummy."
    ),
    ("X/Z/D", "emptied", "replaced"): (
        "Type 2 in objects of radiotherapy, so zero length is valid and tells least."
    ),
    ("X/Z", "emptied", "sequence"): "Zero items are allowed; dicom-anonymizer cleans the items.",
    ("-", "removed", "kept"): (
        "Geometry of overlays and curves whose data the table removes: without the data it "
        "describes nothing."
    ),
    ("X", "removed", "replaced"): "The table says removal; dicom-anonymizer replaces dates.",
    ("X/D", "removed", "replaced"): _STRICTER,
    ("X/Z/D", "removed", "replaced"): _STRICTER,
    ("X/Z", "removed", "sequence"): _STRICTER,
    ("X/Z/D", "removed", "sequence"): _STRICTER,
    ("Z", "replaced", "emptied"): _KEYED,
    ("Z/D", "replaced", "emptied"): _KEYED,
    ("-", "replaced", "kept"): (
        "ADIT names its own method; what an earlier method was called may name a place."
    ),
}


_BEYOND_THE_SAMPLES = (
    "What the samples do not show:",
    "",
    "- A private SOP Class UID or transfer syntax stays, here and there: it names a format, and",
    "  without it an object could be neither stored nor read. ADIT keeps it by the attribute;",
    "  UIDs of instances are mapped even under the root of the standard, unless PS3.6 lists them.",
    "- Attributes that identify and that the table does not name are removed by ADIT and kept by",
    "  dicom-anonymizer: see `adit/core/deid/supplements.py`.",
)


def samples() -> Iterator[Dataset]:
    """Headers of all readable sample files, as they are in explicit little endian."""
    for path in sample_files():
        if path.name in BROKEN_FILES:
            continue
        data, syntax = sample(path)
        try:
            dataset = decode(data, syntax)
            if "PixelData" in dataset:
                del dataset.PixelData
            yield decode(encode(dataset))
        except Exception:  # odd files have tests of their own
            continue


def outcome(before: Dataset, after: Dataset, tag: int) -> str:
    """What became of a top-level element."""
    if tag not in after:
        return "removed"
    element = after[tag]
    if element.is_empty:
        return "emptied"
    if element.VR == "SQ":
        return "sequence"
    return "kept" if element.value == before[tag].value else "replaced"


def differences() -> dict[Kind, set[str]]:
    """Keywords of the attributes that came out differently, by kind of difference."""
    found: dict[Kind, set[str]] = defaultdict(set)
    under = profile(burned_in=BurnedInPolicy.ALLOW, leak_gate=False)
    for dataset in samples():
        ours = decode(process(encode(dataset), under=under)[0])
        theirs = copy.deepcopy(dataset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            anonymize_dataset(theirs)
        for element in dataset:
            if element.is_empty:
                continue
            here = outcome(dataset, ours, element.tag)
            there = outcome(dataset, theirs, element.tag)
            if here != there:
                basic = basic_action(element.tag)
                kind = (basic.value if basic else "-", here, there)
                found[kind].add(element.keyword or str(element.tag))
    return found


def document(found: dict[Kind, set[str]]) -> str:
    """The differences as a page."""
    lines = [
        "# A second engine: dicom-anonymizer",
        "",
        "Generated by `python -m adit.core.deid.tests.second_engine`; a test fails when it is old.",
        "",
        "The Basic Profile of ADIT and that of the package `dicom-anonymizer`, which read the same",
        "table of PS3.15, on the top level of every sample file of pydicom and pydicom-data. Where",
        "both do the same with an attribute it is not listed.",
        "",
        "| table | ADIT | dicom-anonymizer | attributes | reason |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in sorted(found):
        names = ", ".join(sorted(found[kind]))
        lines.append(f"| {' | '.join(kind)} | {names} | {REASONS.get(kind, 'UNEXPLAINED')} |")
    lines += ["", *_BEYOND_THE_SAMPLES]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
    DOCUMENT.write_text(document(differences()))

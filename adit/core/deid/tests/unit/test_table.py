"""Every row of PS3.15 Table E.1-1 obeys its cell, at top level and in a sequence."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from adit.core.deid import Option
from adit.core.deid.tests.objects import ct_header, process_dataset, profile

_FOLDERS = [parent / "shared" / "reference" for parent in Path(__file__).resolve().parents]
_TABLE = next(
    (path for folder in _FOLDERS if (path := folder / "ps315_table_e1_1.csv").exists()), None
)
pytestmark = pytest.mark.skipif(
    _TABLE is None, reason="the reference table does not stand beside this checkout"
)
_COLUMNS = {
    Option.RETAIN_LONGITUDINAL_FULL_DATES: "retain_long_full_dates",
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES: "retain_long_modified_dates",
}
_HARMLESS = {
    "AE": "STORE7",
    "AS": "045Y",
    "CS": "SOMECODE",
    "DA": "20240131",
    "DS": "12.5",
    "DT": "20240131121314",
    "IS": "12",
    "PN": "Nemo^Somebody",
    "TM": "121314",
    "UI": "1.2.3.4.5.6.7.8.9.10",
    "UR": "http://example.org/original",
    "US": 12,
}
_BYTES = b"original bytes!!"
_MARK = "Original Harmless Text"


def rows() -> list[dict[str, str]]:
    if _TABLE is None:
        return []
    with _TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def tag_of(row: dict[str, str]) -> int:
    if row["tag"] == "private":
        return 0x00191010
    return int(row["tag"].replace("x", "0"), 16) | (0x10 if row["tag"] == "50xxxxxx" else 0)


def original(row: dict[str, str], tag: int) -> DataElement:
    vr = row["vr"] or ("OW" if row["tag"].endswith("3000") else "LO")
    if vr == "SQ":
        item = Dataset()
        item.CodeValue = "ORIGINAL"
        item.CodingSchemeDesignator = "99X"
        item.CodeMeaning = _MARK
        item.ReferencedSOPInstanceUID = "1.2.3.4.5.6.7.8.9.11"
        item.PatientName = "Nemo^Somebody"
        return DataElement(tag, vr, Sequence([item]))
    if vr in ("OB", "OW", "UN"):
        return DataElement(tag, vr, _BYTES)
    return DataElement(tag, vr, _HARMLESS.get(vr, _MARK))


def processed(row: dict[str, str], nested: bool, *options: Option):
    ((before, after),) = processed_together([row], nested, *options)
    return before, after


def processed_together(
    rows: list[dict[str, str]], nested: bool, *options: Option
) -> list[tuple[DataElement, DataElement | None]]:
    """The rows' elements, before and after, in one data set."""
    dataset = ct_header()
    holder = dataset
    if nested:
        holder = Dataset()
        dataset.add(DataElement(0x30060039, "SQ", Sequence([holder])))  # ROIContourSequence
    originals = []
    for row in rows:
        before = original(row, tag_of(row))
        if row["tag"] == "private":
            holder.add(DataElement(0x00190010, "LO", "SOME MAKER"))
            before = DataElement(0x00191010, "LO", _MARK)
        originals.append(before)
        holder.add(before)
    after, _ = process_dataset(dataset, under=profile(*options))
    if nested:
        after = after[0x30060039].value[0]
    return [(before, after.get(before.tag)) for before in originals]


@cache
def unchanged_by(option: Option, nested: bool) -> dict[str, tuple[DataElement, DataElement | None]]:
    """Elements of all rows that an option does not change, by the tag of the row."""
    others = [row for row in rows() if not row.get(_COLUMNS.get(option, option.value))]
    outcomes = processed_together(others, nested, option)
    return {row["tag"]: outcome for row, outcome in zip(others, outcomes, strict=True)}


def text_of(element: DataElement) -> str:
    return "\n".join(str(item) for item in element.value)


def obeys(action: str, before: DataElement, after: DataElement | None) -> bool:
    """Whether the outcome is one that the action code allows."""
    if after is None:
        return action.startswith("X")
    sequence = before.VR == "SQ"
    changed = after.value != before.value
    if sequence:
        text = text_of(after)
        kept = "1.2.3.4.5.6.7.8.9.11" in text or "Nemo^Somebody" in text
        gone = not kept and _MARK not in text
    if action == "U":
        return changed and str(after.value).startswith("2.25.")
    if action == "X/Z/U*":
        return not kept and "2.25." in text_of(after)
    if action == "X":
        return False
    if after.is_empty:
        return "Z" in action
    if "D" not in action and "Z" not in action:
        return False
    return gone if sequence else changed


BASIC = [pytest.param(row, id=row["keyword"] or row["tag"]) for row in rows()]


@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
@pytest.mark.parametrize("row", BASIC)
def test_the_basic_profile_obeys_the_row(row: dict[str, str], nested: bool):
    before, after = processed(row, nested)

    assert obeys(row["basic_profile"], before, after), f"{row['basic_profile']}: {after}"


BY_OPTION = [
    pytest.param(option, row, id=f"{option.value}-{row['keyword'] or row['tag']}")
    for option in Option
    for row in rows()
    if row.get(_COLUMNS.get(option, option.value))
]


@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
@pytest.mark.parametrize(("option", "row"), BY_OPTION)
def test_an_option_obeys_the_row(option: Option, row: dict[str, str], nested: bool):
    before, after = processed(row, nested, option)
    action = row[_COLUMNS.get(option, option.value)]

    written = action == "C" and before.VR in ("LT", "ST", "UC", "UT")
    bytes_ = before.VR in ("OB", "OW", "UN") or row["tag"] in ("private", "50xxxxxx", "60xx4000")
    if written or bytes_:
        # Bytes, pixels and free text cannot be cleaned: they fall to the Basic Profile.
        assert (after is not None and after.value == before.value and action == "K") or (
            action == "C" and obeys(row["basic_profile"], before, after)
        )
    elif before.VR == "SQ":
        assert after is not None and "Nemo^Somebody" not in text_of(after)
        assert _MARK in text_of(after)
        kept = "1.2.3.4.5.6.7.8.9.11" in text_of(after)
        assert kept == (option is Option.RETAIN_UIDS)
    elif action == "C" and before.VR in ("DA", "DT"):
        assert after is not None and not after.is_empty and after.value != before.value
    elif action == "C" and before.VR == "UR":
        assert after is not None
    else:
        assert after is not None and after.value == before.value


@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
@pytest.mark.parametrize("row", BASIC)
def test_the_other_options_leave_the_row_alone(
    row: dict[str, str], nested: bool, record_property: Callable[[str, object], None]
):
    broken, cells = [], 0
    for option in Option:
        if row["tag"] not in unchanged_by(option, nested):
            continue
        cells += 1
        before, after = unchanged_by(option, nested)[row["tag"]]
        if not obeys(row["basic_profile"], before, after):
            broken.append(f"{option.value}: {after}")
    record_property("cells", cells)

    assert not broken, f"{row['basic_profile']}: {broken}"


def test_every_row_is_of_the_data_dictionary():
    named = [row for row in rows() if row["keyword"]]

    assert all(dictionary_VR(tag_of(row)) for row in named)


def test_no_cell_is_left_out():
    rows_and_columns = len(BASIC) * (1 + len(Option))
    others = sum(
        not row.get(_COLUMNS.get(option, option.value)) for row in rows() for option in Option
    )

    assert len(BASIC) > 600
    assert len(BASIC) + len(BY_OPTION) + others == rows_and_columns

"""Ids of two characters and years of birth go where they cannot be ordinary words or numbers."""

from __future__ import annotations

from datetime import date

import pytest

from adit.core.deid import Option
from adit.core.deid.cleaning import Cleaner
from adit.core.deid.tests.objects import ct_header, process_dataset, profile


def cleaned(text: str, *ids: str, born: int | None = None, descriptor: bool = True) -> str:
    birth_date = date(born, 3, 5) if born else None
    cleaner = Cleaner(names=["Smith^John"], identifiers=ids, birth_date=birth_date)
    return cleaner.clean(text, descriptor)


@pytest.mark.parametrize("descriptor", [True, False])
@pytest.mark.parametrize(
    ("identifier", "text", "left"),
    [
        ("Q7", "T1 ax Q7", "T1 ax"),
        ("Q7", "q7_T1", "T1"),
        ("7Q", "T1 (7q)", "T1 ()"),
        ("K9", "CT_K9_liver", "CT__liver"),
        ("Q7", "T1 Q-7 Q 7 Q77 XQ7", "T1 Q-7 Q 7 Q77 XQ7"),
        ("T2", "T2 ax", "T2 ax"),
        ("L5", "L5 level", "L5 level"),
        ("47", "47 slices", "47 slices"),
        ("AP", "AP view", "AP view"),
    ],
)
def test_a_short_id_goes_where_it_is_no_term(
    identifier: str, text: str, left: str, descriptor: bool
):
    assert cleaned(text, identifier, descriptor=descriptor) == left


@pytest.mark.parametrize("descriptor", [True, False])
@pytest.mark.parametrize(
    ("born", "text", "left"),
    [
        (1954, "Smith 1954 T1", "T1"),
        (1954, "T1 *1954", "T1"),
        (1954, "T1 Jg. 1954", "T1"),
        (1954, "T1_1954_ax", "T1__ax"),
        (2004, "T1 *2004", "T1"),
        (2004, "T1 geb. 2004", "T1"),
        (2004, "T1 born in 2004", "T1"),
        (2004, "Protocol 2004", "Protocol 2004"),
        (2000, "DWI b2000 TR 2000", "DWI b2000 TR 2000"),
        (1954, "Protocol 1955 r19540 v1954", "Protocol 1955 r19540 v1954"),
        (1954, "0.1954", "0.1954"),
    ],
)
def test_the_year_of_birth_goes_where_it_is_one(born: int, text: str, left: str, descriptor: bool):
    if text.startswith("Protocol 1955") and descriptor:
        text, left = text.replace(" r19540", ""), left.replace(" r19540", "")  # a long number
    assert cleaned(text, born=born, descriptor=descriptor) == left


def test_a_code_that_looks_like_the_year_stays():
    assert cleaned("1954", born=1954, descriptor=False) == "1954"
    assert cleaned("1954", born=1954, descriptor=True) == ""


def test_descriptions_lose_both():
    dataset = ct_header(
        PatientID="Q7", PatientBirthDate="19540305", SeriesDescription="Liver Q7 1954 ax"
    )

    after, result = process_dataset(dataset, under=profile(Option.CLEAN_DESCRIPTORS))

    assert after.SeriesDescription == "Liver ax"
    assert result.findings == []

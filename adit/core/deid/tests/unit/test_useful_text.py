"""Values of protocols stay in descriptions, although they look like phones, ids, dates and ages."""

from __future__ import annotations

from datetime import date

import pytest

from adit.core.deid.cleaning import Cleaner

TEXTS = """
90Y SIRT; 90-Y SIRT post; DWI b50/400/800; ep2d_diff_b0_10000; T2* map TE 4.92/9.84
ASL PLD 1500-2500; MRCP 3D RARE 12000 TE; CTV60 HD 12000 MU; PIRADS v2.1 2019
0-10, 10-20, 20-30 min; 1024 1024 512; March 2 slices; 2.0.10.12
"""
IDENTIFIERS = """
06221/567890; 0800 100 2000; +49 50 100 200; 030-400-500; 4711-8823; 12345678; 471100; 11025
1500-2500 47110; call 555 123 4567; March 2nd; 2. March; March 2 1999; 2.1 2019; 91Y; 90 yo
12.10.98; 10,10,20
"""


def _split(text: str) -> list[str]:
    return [part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()]


def _cleaner(**known: object) -> Cleaner:
    settings = {"names": [], "identifiers": [], "birth_date": None, "known_younger": True}
    return Cleaner(**{**settings, **known})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", _split(TEXTS))
def test_a_value_of_a_protocol_stays(text: str):
    assert _cleaner().clean(text, descriptor=True) == text


@pytest.mark.parametrize("text", _split(IDENTIFIERS))
def test_what_has_the_shape_of_an_identifier_still_goes(text: str):
    assert not any(map(str.isdigit, _cleaner().clean(f"Knee {text}", descriptor=True)))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("b50/400/800", {"identifiers": ["50400800"]}),
        ("b0_10000", {"identifiers": ["10000"]}),
        ("12000 TE", {"identifiers": ["12000"]}),
        ("v2.1 2019", {"birth_date": date(2019, 1, 2)}),
        ("March 2 slices", {"birth_date": date(1970, 3, 2)}),
        ("March 2 slices", {"days_of_study": [date(2020, 3, 2)]}),
        ("4.92/9.84", {"birth_date": date(1984, 9, 4), "identifiers": ["492984"]}),
    ],
)
def test_the_same_goes_where_it_is_of_the_patient(text: str, known: dict[str, object]):
    assert _cleaner(**known).clean(text, descriptor=True) != text


def test_a_nuclide_is_an_age_where_nothing_tells_that_the_patient_is_younger():
    assert _cleaner(known_younger=False).clean("90Y SIRT", descriptor=True) == "SIRT"


@pytest.mark.parametrize("descriptor", [True, False])
def test_an_accession_number_like_a_year_leaves_versions_alone(descriptor: bool):
    knowing = _cleaner(identifiers=["2019"])

    assert knowing.clean("syngo 2019", descriptor) == "syngo"
    if not descriptor:
        assert knowing.clean("2019.12.04", descriptor) == "2019.12.04"

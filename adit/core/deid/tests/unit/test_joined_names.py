"""Names written together, and family names with initials, are cleaned and found."""

from __future__ import annotations

import pytest

from adit.core.deid.cleaning import Cleaner
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.report import FindingKind

JOINED = [
    *[("Smith^John", text) for text in ("JohnSmith T1", "SMITHJOHN", "JSMITH01", "smithj ax")],
    *[("Weber^Anna", text) for text in ("annaweber ax", "WEBERANNA", "t2_WeberA")],
    *[("Smith^John^A", text) for text in ("JASmith", "SmithJA", "smitha")],
    *[("Bär^Ida", text) for text in ("BaerIda", "idabär", "IDABAR")],
    *[("Smith, John", text) for text in ("JSmith", "johnsmith")],
    ("Ng^Thomas", "ThomasNg"),
]
OTHERS = [
    ("Smith^John", "Blacksmith technique"),
    ("Smith^John", "Smithsonian"),
    ("Weber^Anna", "Savannah"),
    ("Ott^Ida", "bottom holiday"),
    ("Ott^Ida", "otti"),
]


def said(name: str, text: str, vr: bytes = b"LO") -> list[FindingKind]:
    source = encode_element(EXPLICIT_LITTLE, 0x00100010, b"PN", name.encode())
    charset = encode_element(EXPLICIT_LITTLE, 0x00080005, b"CS", b"ISO_IR 192")
    raw = text.encode()
    after = encode_element(EXPLICIT_LITTLE, 0x0008103E, vr, raw + b" " * (len(raw) % 2))
    found = LeakGate(check_uids=False).check(charset + source, after, EXPLICIT_LITTLE)
    return [finding.kind for finding in found]


@pytest.mark.parametrize(("name", "text"), JOINED)
def test_the_cleaner_takes_out_joined_names(name: str, text: str):
    cleaner = Cleaner(names=[name], identifiers=[], birth_date=None)
    cleaned = cleaner.clean(text, descriptor=False).lower()
    assert not any(part in cleaned for part in ("smith", "john", "weber", "anna", "bär", "bar"))
    assert cleaned != text.lower()


@pytest.mark.parametrize(("name", "text"), JOINED)
def test_the_gate_finds_joined_names(name: str, text: str):
    assert said(name, text) == [FindingKind.PATIENT_NAME]


@pytest.mark.parametrize(("name", "text"), OTHERS)
def test_a_short_name_inside_of_another_word_is_none(name: str, text: str):
    cleaner = Cleaner(names=[name], identifiers=[], birth_date=None)
    assert cleaner.clean(text, descriptor=False) == text
    assert said(name, text) == []

"""Names and ids behind escapes of URLs, HTML, JSON and mail are cleaned and found."""

from __future__ import annotations

import pytest

from adit.core.deid import Option
from adit.core.deid.cleaning import Cleaner
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element, pad
from adit.core.deid.escapes import unescaped
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.report import FindingKind
from adit.core.deid.tests.objects import ct_header, process_dataset, profile

NAMES = [
    ("Smith^John", "Smith%20John T1", "T1"),
    ("Smith^John", "T1 %53mith", "T1"),
    ("Smith^John", "T1 %53%6D%69%74%68", "T1"),
    ("Smith^John", "T1 %2553mith", "T1"),
    ("Smith^John", "T1 &#83;mith", "T1"),
    ("Smith^John", "T1 &#x53;&#x6d;&#105;&#0116;h", "T1"),
    ("Smith^John", "T1 &#83mith", "T1"),
    ("Smith^John", "T1 &amp;#83;mith", "T1"),
    ("Smith^John", "T1 =53mith", "T1"),
    ("Smith^John", "T1 %u0053mith", "T1"),
    ("Müller^Jörg", "M&uuml;ller T1", "T1"),
    ("Müller^Jörg", "M&Uuml;LLER T1", "T1"),
    ("Müller^Jörg", "M&uumlller T1", "T1"),
    ("Müller^Jörg", "M%C3%BCller T1", "T1"),
    ("Müller^Jörg", "M%FCller T1", "T1"),
    ("Müller^Jörg", "M=C3=BCller T1", "T1"),
    ("Müller^Jörg", "J&#246;rg T1", "T1"),
    ("O'Brien^Ann", "O&apos;Brien T1", "T1"),
    ("Иванов^Пётр", "%D0%98%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2 T1", "T1"),
    ("Иванов^Пётр", "&#1048;&#1074;&#1072;&#1085;&#1086;&#1074; T1", "T1"),
    ("山田^太郎", "T1 &#23665;&#30000;", "T1"),
]
WRITTEN_IN_ONE_VALUE = [  # of VRs in which a backslash parts no values
    ("Smith^John", r"T1 \u0053mith", "T1"),
    ("Müller^Jörg", r"M\xfcller T1", "T1"),
    ("Müller^Jörg", r"M\u00FCller T1", "T1"),
]
IDS = [
    ("PID-4711", "see %50ID%2D4711", "see"),
    ("PID-4711", "see PID&#45;4711", "see"),
    ("48151623", "id=%34%38%31%35%31%36%32%33 x", "id= x"),
    ("48151623", "?id=48151623%20x", "?id=%20x"),
    ("48151623", "id=4815&#49;623", "id"),
]


def found_by_gate(tag: int, identifier: str, text: bytes, vr: bytes = b"UT") -> list[FindingKind]:
    vr_of_source = b"PN" if tag == 0x00100010 else b"LO"
    source = encode_element(EXPLICIT_LITTLE, 0x00080005, b"CS", b"ISO_IR 192")
    source += encode_element(EXPLICIT_LITTLE, tag, vr_of_source, identifier.encode())
    after = encode_element(EXPLICIT_LITTLE, 0x0040A160, vr, pad(text, vr))
    found = LeakGate(check_uids=False).check(source, after, EXPLICIT_LITTLE)
    return [finding.kind for finding in found]


@pytest.mark.parametrize(("name", "text", "left"), NAMES + WRITTEN_IN_ONE_VALUE)
def test_the_cleaner_takes_out_escaped_names(name: str, text: str, left: str):
    cleaner = Cleaner(names=[name], identifiers=[], birth_date=None)

    assert cleaner.clean(text, descriptor=False).strip("\\ ") == left


@pytest.mark.parametrize(("identifier", "text", "left"), IDS)
def test_the_cleaner_takes_out_escaped_ids(identifier: str, text: str, left: str):
    cleaner = Cleaner(names=[], identifiers=[identifier], birth_date=None)

    assert cleaner.clean(text, descriptor=False) == left


@pytest.mark.parametrize(
    "text", ["Lung 2024%2D03%2D05", "Lung 2024&#45;03&#45;05", "Lung %44r. Huber"]
)
def test_descriptors_lose_escaped_dates_and_staff(text: str):
    cleaner = Cleaner(names=[], identifiers=[], birth_date=None)

    assert cleaner.clean(text, descriptor=True) == "Lung"


@pytest.mark.parametrize("form", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize(("name", "text", "left"), NAMES + WRITTEN_IN_ONE_VALUE)
def test_the_gate_finds_escaped_names(name: str, text: str, left: str, form: str):
    found = found_by_gate(0x00100010, name, text.encode(form))

    assert found == [FindingKind.PATIENT_NAME]


@pytest.mark.parametrize(("identifier", "text", "left"), IDS)
def test_the_gate_finds_escaped_ids(identifier: str, text: str, left: str):
    found = found_by_gate(0x00100020, identifier, text.encode())

    assert found == [FindingKind.PATIENT_ID]


@pytest.mark.parametrize(
    ("name", "text"), [("Müller^Jörg", "M&uuml;ller"), ("Smith^John", "%53mith")]
)
def test_the_gate_finds_escaped_names_in_bytes(name: str, text: str):
    page = b"\x01\x02" * 6000 + f"<p>Report about {text}, in short</p>".encode() + bytes(9000)

    assert found_by_gate(0x00100010, name, page, b"OB") == [FindingKind.PATIENT_NAME]


def test_an_escaped_name_in_the_patients_own_attributes_is_known():
    dataset = ct_header(PatientName="M&uuml;ller^J&ouml;rg", SeriesDescription="Müller T1")
    dataset.SpecificCharacterSet = "ISO_IR 100"

    after, _ = process_dataset(dataset, under=profile(Option.CLEAN_DESCRIPTORS))

    assert after.SeriesDescription == "T1"
    assert found_by_gate(0x00100010, "M&uuml;ller^Karl", "Müller T1".encode()) == [
        FindingKind.PATIENT_NAME
    ]


@pytest.mark.parametrize(
    "text",
    ["T1 & T2 50%", "H&E stain", "TE=20 TR=3000", "R&D; 20%", "R2=0.99", "a%20b", "&lt;none&gt;"],
)
def test_text_without_identifiers_stays_as_it_is(text: str):
    cleaner = Cleaner(names=["Smith^John"], identifiers=["PID-4711"], birth_date=None)

    assert cleaner.clean(text, descriptor=True) == text
    assert found_by_gate(0x00100010, "Smith^John", text.encode()) == []


def test_places_of_characters_are_those_of_their_escapes():
    assert unescaped("a%20b") == [("a b", [(0, 1), (1, 4), (4, 5)])]
    assert unescaped("&amp;uuml;x")[-1] == ("üx", [(0, 10), (10, 11)])
    assert unescaped("%C3%BCx") == [("üx", [(0, 6), (6, 7)])]
    assert unescaped("plain 20% & more") == []

"""Dates, ages and ids that are written as few write them are cleaned out of text, and found."""

from __future__ import annotations

import base64
import struct
from datetime import date

import pytest

from adit.core.deid import Assignment, FindingKind, Option, SafePrivate
from adit.core.deid.cleaning import Cleaner
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.tests.objects import ct_header, process_dataset, profile

BIRTH, STUDY = date(1961, 7, 23), date(2019, 4, 12)
STANDARD = (
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,
    Option.RETAIN_PATIENT_CHARACTERISTICS,
    Option.CLEAN_DESCRIPTORS,
)
SOURCE = {
    0x00080005: (b"CS", "ISO_IR 192"),
    0x00080020: (b"DA", "20190412"),
    0x00100010: (b"PN", "Quastmeier^Berta"),
    0x00100020: (b"LO", "12345678"),
    0x00100030: (b"DA", "19610723"),
}


def header(**changes: str) -> bytes:
    elements = {**SOURCE, 0x00101010: (b"AS", changes.pop("age", ""))}
    if "birth" in changes:
        elements[0x00100030] = (b"DA", changes["birth"])
    return b"".join(
        encode_element(EXPLICIT_LITTLE, tag, vr, text.encode())
        for tag, (vr, text) in sorted(elements.items())
    )


def said(
    raw: bytes | str,
    vr: bytes = b"LO",
    tag: int = 0x0008103E,
    check_dates: bool = True,
    **source: str,
) -> list[FindingKind]:
    """What the gate finds in an element that goes out."""
    value = raw.encode() if isinstance(raw, str) else raw
    after = encode_element(EXPLICIT_LITTLE, tag, vr, value + b" " * (len(value) % 2))
    gate = LeakGate(check_uids=False, check_dates=check_dates)
    return [item.kind for item in gate.check(header(**source), after, EXPLICIT_LITTLE)]


BIRTHS = """
BQ230761; 61JUL23; 61-Jul-23; 23/VII/61; 23VII1961; 61/VII/23; BQ23JUL61; 23 juillet 61; 610723B
"""


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split(";")]


@pytest.mark.parametrize("vr", [b"LO", b"SH", b"CS", b"UT"])
@pytest.mark.parametrize("written", split(BIRTHS))
def test_the_gate_finds_a_birth_date(written: str, vr: bytes):
    text = written.upper() if vr == b"CS" else f"Knie {written}"
    assert said(text, vr) == [FindingKind.BIRTH_DATE]


@pytest.mark.parametrize("written", split(BIRTHS))
def test_the_cleaner_takes_a_birth_date_out_of_any_text(written: str):
    cleaner = Cleaner(names=[], identifiers=[], birth_date=BIRTH)
    left = cleaner.clean(f"Knie {written} nativ", descriptor=False)
    assert not any(map(str.isdigit, left)) and left.startswith("Knie")


@pytest.mark.parametrize("text", ["23.7.4 VII", "v1.230761.2", "1230761", "23 VIII 61"])
def test_what_is_no_birth_date_stays(text: str):
    assert said(text) == []
    assert Cleaner(names=[], identifiers=[], birth_date=BIRTH).clean(text, False) == text


STUDY_DATES = "20190412; 12.04.2019; 2019-4-12; 12. April 2019; APR 12 2019; 190412; 12APR19"


@pytest.mark.parametrize("vr", [b"LO", b"SH", b"CS", b"ST"])
@pytest.mark.parametrize("written", split(STUDY_DATES))
def test_the_gate_finds_a_date_of_the_study_in_text(written: str, vr: bytes):
    assert said(f"CT {written}", vr) == [FindingKind.ORIGINAL_DATE]


@pytest.mark.parametrize(("vr", "raw"), [(b"IS", b"20190412"), (b"UL", b"\xcc\x14\x34\x01")])
def test_the_gate_finds_a_date_of_the_study_as_a_number(vr: bytes, raw: bytes):
    assert said(raw, vr, 0x00091010) == [FindingKind.ORIGINAL_DATE]


@pytest.mark.parametrize("text", ["syngo VB12.4.19", "2019", "04/2019", "1.20190412.3", "20190413"])
def test_what_is_no_date_of_the_study_stays(text: str):
    assert said(text) == []
    cleaner = Cleaner(names=[], identifiers=[], birth_date=None, days_of_study=[STUDY])
    assert cleaner.clean(text, descriptor=False) == text


@pytest.mark.parametrize("written", split(STUDY_DATES))
def test_dates_that_stay_may_be_told(written: str):
    assert said(f"CT {written}", check_dates=False) == []


def test_a_date_of_the_study_goes_from_technical_and_private_text():
    dataset = ct_header(StudyDate="20190412", Manufacturer="Maker 20190412")
    dataset.add_new(0x00190010, "LO", "MAKER 1")
    dataset.add_new(0x00191009, "LO", "1.0 12.04.2019")
    safe = SafePrivate(creator="MAKER 1", group=0x0019, element=0x09, vr="LO", note="Version")
    under = profile(*STANDARD, Option.RETAIN_SAFE_PRIVATE, safe_private=(safe,))

    after, result = process_dataset(dataset, under=under)

    assert after.Manufacturer == "Maker"
    assert after[0x00191009].value == "1.0"
    assert result.findings == []


@pytest.mark.parametrize("full", [True, False], ids=["retained", "modified"])
def test_a_code_with_the_date_of_the_study_is_held_unless_dates_are_retained(full: bool):
    dates = Option.RETAIN_LONGITUDINAL_FULL_DATES if full else STANDARD[0]
    dataset = ct_header(StudyDate="20190412")
    dataset.ImageType = ["DERIVED", "PRIMARY", "D 20190412"]

    _, result = process_dataset(dataset, under=profile(dates))

    expected = [] if full else [FindingKind.ORIGINAL_DATE]
    assert [finding.kind for finding in result.findings] == expected


def test_a_pseudonym_may_have_the_date_of_the_study():
    dataset = ct_header(StudyDate="20190412")

    _, result = process_dataset(dataset, assignment=Assignment(pseudonym="Study 20190412"))

    assert result.findings == []


AGES = """
99-year old woman; aged 93; 93 yo; 93 y/o; 93 ans; 93 Jahre; 93-jährige; age: 95; im Alter von 91
93yrs; 101 years old; ninety-three years; 93 let; 93歳; 093Y; nonagenarian
"""
AGES_OF_ALL = [part.strip() for line in AGES.strip().splitlines() for part in line.split(";")]
NO_OLD_AGES = ["89 yo", "T2 95%", "b90 100 mm", "120 kV", "0.93 yr", "90 ml", "aged 35", "1993 j"]


@pytest.mark.parametrize("written", AGES_OF_ALL)
def test_an_age_over_89_goes_from_descriptors(written: str):
    cleaner = Cleaner(names=[], identifiers=[], birth_date=None)
    left = cleaner.clean(f"CT {written}", descriptor=True)
    assert not any(map(str.isdigit, left)) and "ninety" not in left and "arian" not in left


@pytest.mark.parametrize("written", AGES_OF_ALL)
def test_the_gate_finds_an_age_over_89_unless_the_patient_is_younger(written: str):
    assert said(f"CT {written}", birth="19250101") == [FindingKind.OLD_AGE]
    assert said(f"CT {written}", birth="", age="093Y") == [FindingKind.OLD_AGE]
    assert said(f"CT {written}") == []


@pytest.mark.parametrize("written", NO_OLD_AGES)
def test_what_is_no_old_age_stays(written: str):
    assert said(written, birth="19250101") == []
    cleaner = Cleaner(names=[], identifiers=[], birth_date=None, over_89=True)
    assert cleaner.clean(written, descriptor=True) == written


TOLD = [
    ("12345678", FindingKind.PATIENT_ID),
    ("Quastmeier", FindingKind.PATIENT_NAME),
    ("BERTA", FindingKind.PATIENT_NAME),
    ("19610723", FindingKind.BIRTH_DATE),
    ("23.07.1961", FindingKind.BIRTH_DATE),
]
PLACES = [(b"LO", 0x0008103E), (b"UT", 0x0040A160), (b"OB", 0x00091001), (b"UN", 0x00091001)]


@pytest.mark.parametrize(("vr", "tag"), PLACES)
@pytest.mark.parametrize(("text", "kind"), TOLD)
def test_the_gate_finds_what_is_encoded_or_backwards(
    text: str, kind: FindingKind, vr: bytes, tag: int
):
    for before in (b"", b"x", b"xy"):
        data = before + text.encode() + b" end"
        encoded = [base64.b64encode(data), base64.urlsafe_b64encode(data), data.hex().encode()]
        encoded += [data.hex(" ").upper().encode(), b", ".join(b"0x%02x" % byte for byte in data)]
        encoded.append(base64.b64encode(before + text.encode("utf-16-le")))
        encoded.append(b"=?utf-8?B?" + base64.b64encode(data) + b"?=")
        for form in encoded:
            assert said(form, vr, tag) == [kind], form
            assert said(b"abc " + form.decode().encode("utf-16-le"), vr, tag) == [kind], form
    if "." not in text:
        assert said(f"Knie {text[::-1]}", vr, tag) == [kind]
        assert said(f"Knie {text[::-1]}".encode("utf-16-be"), vr, tag) == [kind]


def test_a_line_of_mail_that_is_broken_is_read_as_one():
    assert said(b"Quast=\r\nmeier", b"UT", 0x0040A160) == [FindingKind.PATIENT_NAME]


@pytest.mark.parametrize(
    "text", ["Zm9vYmFy", "deadbeef1234567890", "987654321", "htrebla", "atrebo"]
)
def test_what_hides_nothing_stays(text: str):
    assert said(text) == []


UIDS = [
    ("1.2.840.12345678.1", FindingKind.PATIENT_ID),
    ("1.2.12.345.678", FindingKind.PATIENT_ID),
    ("1.2.3.99123456781.4", FindingKind.PATIENT_ID),
    ("1.2.3.4123.45678.4", FindingKind.PATIENT_ID),
    ("1.2.3.1961.7.23.4", FindingKind.BIRTH_DATE),
    ("1.2.3.19610723.4", FindingKind.BIRTH_DATE),
]


@pytest.mark.parametrize(("uid", "kind"), UIDS)
def test_the_gate_finds_an_id_in_components_of_a_uid(uid: str, kind: FindingKind):
    assert said(uid, b"UI", 0x0020000E) == [kind]


@pytest.mark.parametrize("uid", ["1.2.3.123.4567.8.9", "2.25.9912345678123456", "1.2.3.61.7.23.4"])
def test_other_uids_stay(uid: str):
    found = said(uid, b"UI", 0x0020000E)
    assert found == ([FindingKind.PATIENT_ID] if uid.startswith("1.2.3.123") else [])


def swapped(data: bytes) -> bytes:
    """The two bytes of each word in the other order."""
    words = bytearray(data + b" " * (len(data) % 2))
    words[::2], words[1::2] = words[1::2], words[::2]
    return bytes(words)


@pytest.mark.parametrize("vr", [b"OW", b"OB", b"UN"])
@pytest.mark.parametrize(("text", "kind"), TOLD[:4])
def test_the_gate_finds_text_in_swapped_words(text: str, kind: FindingKind, vr: bytes):
    for before in (b"", b"a ", b"ab "):
        assert said(swapped(before + text.encode() + b" end"), vr, 0x00091001) == [kind]


def array(text: str, digits: bool, code: str) -> bytes:
    numbers = [int(character) if digits else ord(character) for character in text]
    if code == "IS":
        return "\\".join(map(str, numbers)).encode()
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


ARRAYS = [(b"US", "H"), (b"SS", "h"), (b"UL", "L"), (b"UV", "Q"), (b"OB", "B"), (b"IS", "IS")]


@pytest.mark.parametrize(("vr", "code"), ARRAYS)
@pytest.mark.parametrize(
    ("text", "digits", "kind"),
    [
        ("12345678", True, FindingKind.PATIENT_ID),
        ("12345678", False, FindingKind.PATIENT_ID),
        ("19610723", True, FindingKind.BIRTH_DATE),
        ("Quastmeier", False, FindingKind.PATIENT_NAME),
    ],
)
def test_the_gate_finds_what_an_array_of_numbers_spells(
    text: str, digits: bool, kind: FindingKind, vr: bytes, code: str
):
    assert said(array(text, digits, code), vr, 0x00091001) == [kind]


def test_an_array_that_spells_nothing_stays():
    assert said(array("1234567", True, "H"), b"US", 0x00091001) == []
    assert said(b"1\\2\\3\\4\\5\\6\\7\\12", b"IS", 0x00091001) == []
    assert said(array("112345678", True, "IS"), b"IS", 0x00091001) == []


@pytest.mark.parametrize("text", ["-266457600", "born 266457600 s", "-266457600000"])
def test_the_gate_finds_the_birth_date_in_seconds(text: str):
    assert said(text) == [FindingKind.BIRTH_DATE]
    if text[0] == "-":
        assert said(text, b"IS", 0x00091001) == [FindingKind.BIRTH_DATE]

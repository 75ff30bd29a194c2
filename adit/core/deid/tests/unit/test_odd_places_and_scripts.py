"""Identifiers in the place of UIDs, in halves of numbers, other digits, dates and mixed scripts."""

from __future__ import annotations

import struct
from datetime import date

import pytest

from adit.core.deid.cleaning import Cleaner
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element, pad
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.report import FindingKind
from adit.core.deid.tests.objects import ct_header, decode, encode, process

PATIENT_ID, BIRTH_DATE, PATIENT_NAME = 0x00100020, 0x00100030, 0x00100010
MAPPING_RESOURCE_UID = 0x00080118
SOP_CLASS_UID = 0x00080016


def found(source: tuple[int, bytes, str], place: tuple[int, bytes], value: bytes):
    tag, vr, identifier = source
    before = encode_element(EXPLICIT_LITTLE, 0x00080005, b"CS", b"ISO_IR 192")
    before += encode_element(EXPLICIT_LITTLE, tag, vr, identifier.encode())
    after = encode_element(EXPLICIT_LITTLE, *place, pad(value, place[1]))
    findings = LeakGate(check_uids=False).check(before, after, EXPLICIT_LITTLE)
    return [finding.kind for finding in findings]


@pytest.mark.parametrize("value", ["7730941", "0007730941", "77 309 41", "23.07.1961", "2.7.1961"])
def test_what_is_no_uid_does_not_stay_as_one(value: str):
    header = encode(ct_header(PatientID="7730941", PatientBirthDate="19610723"))
    element = encode_element(EXPLICIT_LITTLE, MAPPING_RESOURCE_UID, b"UI", value.encode())
    place = header.index(b"\x10\x00\x10\x00")

    after, result = process(header[:place] + element + header[place:])

    assert value not in str(decode(after))
    assert result.findings == []


@pytest.mark.parametrize("uid", ["1.2.840.10008.2.16.4", "1.3.12.2.1107.5.9.1", "0"])
def test_a_uid_of_a_definition_stays(uid: str):
    after, _ = process(encode(ct_header(MappingResourceUID=uid)))

    assert decode(after).MappingResourceUID == uid


@pytest.mark.parametrize(
    ("source", "value", "kind"),
    [
        ((PATIENT_ID, b"LO", "7730941"), b"0007730941", FindingKind.PATIENT_ID),
        ((PATIENT_ID, b"LO", "7730941"), b"1.2.3.0007730941", FindingKind.PATIENT_ID),
        ((BIRTH_DATE, b"DA", "19610723"), b"23.07.1961", FindingKind.BIRTH_DATE),
        ((BIRTH_DATE, b"DA", "19610702"), b"2.7.1961", FindingKind.BIRTH_DATE),
    ],
)
def test_the_gate_looks_at_what_stands_in_place_of_a_uid(source, value: bytes, kind: FindingKind):
    assert found(source, (SOP_CLASS_UID, b"UI"), value) == [kind]


def test_the_gate_reads_a_number_in_two_halves():
    source = (PATIENT_ID, b"LO", "7730941")
    for halves in (struct.pack("<I", 7730941), struct.pack(">I", 7730941)):
        assert found(source, (0x00283002, b"US"), halves) == [FindingKind.PATIENT_ID]
    assert found(source, (0x00283002, b"US"), struct.pack("<HH", 512, 16)) == []


@pytest.mark.parametrize("zero", [0x660, 0x6F0, 0x966, 0xE50, 0xFF10])
def test_the_gate_reads_digits_of_all_scripts(zero: int):
    place = (0x0008103E, b"LO")
    digits = {48 + n: zero + n for n in range(10)}
    text = "about 7730941, in short".translate(digits)
    born = "born 1961-07-23, it says".translate(digits)

    ids = found((PATIENT_ID, b"LO", "7730941"), place, text.encode())
    births = found((BIRTH_DATE, b"DA", "19610723"), place, born.encode())

    assert (ids, births) == ([FindingKind.PATIENT_ID], [FindingKind.BIRTH_DATE])


@pytest.mark.parametrize("written", ["23. VII. 1961", "23.VII.1961", "1961 VII 23", "23/vii/1961"])
def test_months_in_roman_numerals(written: str):
    source = (BIRTH_DATE, b"DA", "19610723")
    cleaner = Cleaner(names=[], identifiers=[], birth_date=date(1961, 7, 23))

    assert found(source, (0x0008103E, b"LO"), f"T1 {written}".encode()) == [FindingKind.BIRTH_DATE]
    for descriptor in (True, False):
        assert cleaner.clean(f"Liver {written}", descriptor) == "Liver"


@pytest.mark.parametrize("place", [(0x0040A121, b"DA"), (0x0040A120, b"DT")])
def test_a_date_in_structured_content_may_be_the_birth_date(place: tuple[int, bytes]):
    source = (BIRTH_DATE, b"DA", "19610723")

    assert found(source, place, b"19610723") == [FindingKind.BIRTH_DATE]
    assert found(source, place, b"19610724") == []


MIXED = [
    ("O'Connor-McBride^Siobhan", "Сonnor"),  # Cyrillic С
    ("Попова^Анна", "Пoпoвa"),  # Latin o, a
    ("Papadopoulos^Nikos", "Pаpаdopoulos"),
    ("Νικολάου^Άρης", "Νικoλάoυ"),  # Latin o
]


@pytest.mark.parametrize(("name", "written"), MIXED)
def test_words_of_two_scripts_are_read_in_one(name: str, written: str):
    cleaner = Cleaner(names=[name], identifiers=[], birth_date=None)

    assert cleaner.clean(f"T1 {written} ax", descriptor=False) == "T1 ax"
    kinds = found((PATIENT_NAME, b"PN", name), (0x0008103E, b"LO"), f"T1 {written}".encode())
    assert kinds == [FindingKind.PATIENT_NAME]


def test_a_name_of_two_scripts_is_known_in_one():
    kinds = found((PATIENT_NAME, b"PN", "Пoпoвa^Нина"), (0x0008103E, b"LO"), "Попова".encode())

    assert kinds == [FindingKind.PATIENT_NAME]


@pytest.mark.parametrize("text", ["МРТ T1 ax", "T1_МРТ", "μT 3", "α-T1"])
def test_words_of_one_script_beside_others_stay(text: str):
    cleaner = Cleaner(names=["Попова^Анна"], identifiers=[], birth_date=None)

    assert cleaner.clean(text, descriptor=True) == text

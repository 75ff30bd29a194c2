"""What the leak gate looks for: the identifiers of one patient, found in the source's header.

Written apart from the engine and sharing no table with it, so that one mistake is not made twice.
Identifiers are found by the bytes of their tags, at any level and also inside of values.

Policy, a balance of leaks against false alarms:

- Parts of names have three or more letters, or two ideographs. Parts of three to five letters
  count as whole words only (`Ann` is not in `scanner`), longer ones also inside of words, and
  from five letters on also with separators between the letters (`S c h m i d t`).
- A part that is a common word (`Head`, `Stern`, `Siemens`) counts where names of persons stand
  (VR PN, unless it is the pseudonym itself), and elsewhere only beside another part of the name;
  not in codes (VR CS): `ORIGINAL\\PRIMARY` is no person.
- Shorter names (`Li^Wu`) count as the whole name only, in any order: two letters stand everywhere,
  and a single letter (`S^R`) tells nobody. A name that is one such word counts where it is the
  whole value of a name of a person.
- Ids and accession numbers of six or more characters count inside of text, between characters
  that are no letters or digits, with other separators and without leading zeros too; those of
  three to five as whole words of text only; shorter ones, common words and years of four digits
  only as the whole value where ids of patients stand.
- Birth dates count in text and in private dates, and among the dates of the standard only in
  attributes about birth: the date of an examination may well be somebody's birthday.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from functools import cache

from .leak_dates import date_needles, date_of, date_pattern
from .leak_ids import id_pattern, tells_nothing, values_of
from .leak_names import name_patterns
from .leak_needles import Needles
from .leak_readings import encodings_of, meant_by
from .leak_spelling import foldings, plain_words
from .report import FindingKind

_SOURCES: dict[int, FindingKind] = {
    0x00100010: FindingKind.PATIENT_NAME,
    0x00101001: FindingKind.PATIENT_NAME,  # OtherPatientNames
    0x00101005: FindingKind.PATIENT_NAME,  # PatientBirthName
    0x00101060: FindingKind.PATIENT_NAME,  # PatientMotherBirthName
    0x00102297: FindingKind.PATIENT_NAME,  # ResponsiblePerson
    0x00100020: FindingKind.PATIENT_ID,
    0x00101000: FindingKind.PATIENT_ID,  # OtherPatientIDs
    0x00101050: FindingKind.PATIENT_ID,  # InsurancePlanIdentification
    0x00101090: FindingKind.PATIENT_ID,  # MedicalRecordLocator
    0x00380010: FindingKind.PATIENT_ID,  # AdmissionID
    0x00100030: FindingKind.BIRTH_DATE,
    0x00080050: FindingKind.ACCESSION_NUMBER,
    0x00101040: FindingKind.ADDRESS,
    0x00102154: FindingKind.PHONE,
    0x00102155: FindingKind.PHONE,
}
PATIENT_ID_TAGS = frozenset({0x00100020, 0x00101000, 0x00120040})
"""Where ids of patients stand: even the shortest id counts there."""

_CHARACTER_SET = 0x00080005
_LONGEST_VALUE = 1024
_SHORT_VR = re.compile(rb"AE|AS|CS|DA|DS|DT|IS|LO|LT|PN|SH|ST|TM|UI")
_LONG_VR = re.compile(rb"UC|UN|UT|UR")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")

RawIdentifiers = tuple[tuple[int, bytes], ...]


@cache
def _tags_of(big_endian: bool) -> tuple[re.Pattern[bytes], ...]:
    """Patterns over the bytes of the sources' tags, one a group, each with a literal prefix."""
    order = ">" if big_endian else "<"
    numbers: dict[int, list[int]] = {}
    for tag in sorted((*_SOURCES, _CHARACTER_SET)):
        numbers.setdefault(tag >> 16, []).append(tag & 0xFFFF)
    return tuple(
        re.compile(
            re.escape(struct.pack(order + "H", group))
            + b"(?:"
            + b"|".join(re.escape(struct.pack(order + "H", number)) for number in found)
            + b")",
            re.DOTALL,
        )
        for group, found in numbers.items()
    )


def raw_identifiers(header: bytes, big_endian: bool) -> RawIdentifiers:
    """Tags and raw values of identifiers in an encoded header, at all levels."""
    order = ">" if big_endian else "<"
    found: dict[tuple[int, bytes], None] = {}
    for pattern in _tags_of(big_endian):
        for match in pattern.finditer(header):
            value = _value_at(header, match.start(), order)
            if value:
                group, number = struct.unpack(order + "HH", match[0])
                found[group << 16 | number, value] = None
    return tuple(found)


def _value_at(header: bytes, position: int, order: str) -> bytes:
    """Value of the element that seems to begin at a position; empty if there is none."""
    vr = header[position + 4 : position + 6]
    try:
        if _SHORT_VR.fullmatch(vr):
            start = position + 8
            (length,) = struct.unpack_from(order + "H", header, position + 6)
        elif _LONG_VR.fullmatch(vr):
            start = position + 12
            (length,) = struct.unpack_from(order + "L", header, position + 8)
        else:
            start = position + 8
            (length,) = struct.unpack_from(order + "L", header, position + 4)
    except struct.error:
        return b""
    if not 0 < length <= _LONGEST_VALUE or start + length > len(header):
        return b""
    value = header[start : start + length].strip(b" \0")
    return b"" if _CONTROL.search(value) else value


@dataclass(frozen=True)
class Identifiers:
    """Identifiers of one patient, ready to be searched for.

    Attributes:
        encodings: Of the object, in which values are read.
        names: Pattern of each part, and whether the part tells somebody by itself.
        whole_names: Patterns of names as a whole, for those whose parts tell nothing.
        lone_names: Folded names of one short word.
        ids: Patterns for ids inside of text, and for those that count as words.
        short_ids: Folded; count where ids of patients stand.
        needles: None of these in the squeezed bytes: there is nothing to find.
    """

    encodings: list[str]
    names: list[tuple[re.Pattern[str], bool]]
    whole_names: re.Pattern[str] | None
    lone_names: frozenset[str]
    ids: re.Pattern[str] | None
    ids_in_bytes: re.Pattern[str] | None
    short_ids: frozenset[str]
    accession_numbers: re.Pattern[str] | None
    accession_numbers_in_bytes: re.Pattern[str] | None
    birth_dates: re.Pattern[str] | None
    compact_birth_dates: frozenset[str]
    addresses: frozenset[str]
    phones: frozenset[str]
    needles: tuple[bytes, ...]
    memo: dict[tuple[int, bytes, bytes], tuple[FindingKind, ...]] = field(default_factory=dict)


def identifiers(raw: RawIdentifiers) -> Identifiers:
    """Works out spellings and needles from raw values."""
    encodings = encodings_of([value for tag, value in raw if tag == _CHARACTER_SET])
    by_kind: dict[FindingKind, set[str]] = {kind: set() for kind in FindingKind}
    for tag, value in raw:
        if tag in _SOURCES:
            by_kind[_SOURCES[tag]] |= meant_by(value, encodings)
    needles = Needles(encodings)
    names, whole, lone = name_patterns(by_kind[FindingKind.PATIENT_NAME], needles)
    ids = values_of(by_kind[FindingKind.PATIENT_ID])
    accession_numbers = values_of(by_kind[FindingKind.ACCESSION_NUMBER])
    births = [day for value in by_kind[FindingKind.BIRTH_DATE] if (day := date_of(value))]
    addresses = {
        line
        for value in by_kind[FindingKind.ADDRESS]
        for part in re.split(r"[\\^\r\n,;]", value)
        if len(line := plain_words(foldings(part)[0])) >= 6
    }
    phones = {
        digits
        for value in by_kind[FindingKind.PHONE]
        for number in value.split("\\")
        if len(digits := re.sub(r"\D", "", number)) >= 6
    }
    for text in (*ids, *accession_numbers):
        needles.add(text.lstrip("0") if text.isdigit() else text)
    for text in addresses:
        needles.add(text)
    for digits in phones:
        needles.add(digits[-4:])
    for day in births:
        for form in date_needles(day):
            needles.add(form)
    patterns = [date_pattern(day) for day in births]
    return Identifiers(
        encodings=encodings,
        names=names,
        whole_names=re.compile("|".join(whole)) if whole else None,
        lone_names=frozenset(lone),
        ids=id_pattern(ids, in_bytes=False),
        ids_in_bytes=id_pattern(ids, in_bytes=True),
        short_ids=frozenset(text for text in ids if tells_nothing(text)),
        accession_numbers=id_pattern(accession_numbers, in_bytes=False),
        accession_numbers_in_bytes=id_pattern(accession_numbers, in_bytes=True),
        birth_dates=re.compile("|".join(patterns)) if patterns else None,
        compact_birth_dates=frozenset(
            f"{day.year:04d}{day.month:02d}{day.day:02d}" for day in births
        ),
        addresses=frozenset(addresses),
        phones=frozenset(phones),
        needles=needles.all(),
    )

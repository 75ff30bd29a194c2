"""What the leak gate looks for: the identifiers of one patient, found in the source's header.

Written apart from the engine and sharing no table with it, so that one mistake is not made twice.
Identifiers are found by the bytes of their tags, at any level and also inside of values.

Policy on false alarms:

- Parts of names have three or more letters, or two ideographs. Parts of three to five letters
  count as whole words only (`Ann` is not in `scanner`), longer ones also inside of words.
- A part that is a common word of radiology (`Head`, `Long`, `Stern`) counts where names of
  persons stand (VR PN), and elsewhere only together with another part of the name.
- Ids shorter than three characters are not looked for, those of up to five only as whole values.
- Birth dates count in text, and as a date only in attributes about birth: the shifted date of an
  examination may well be somebody's birthday.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from pydicom import charset as pydicom_charset

from .report import FindingKind

_COMMON = """
perfusion diffusion pancreas prostate spleen thyroid uterus bladder colon hepatic renal lut
modality original derived primary secondary localizer average maximum minimum projection
abdomen abdominal adult angio ankle anonymous anonymized anterior aorta apex arm arterial artery
axial back base bein black blank bone brain breast brust cardiac case chest child clear cor
coronal cross day dry dual east elbow extremity eye face fast fat field film fine finger flow foot
forearm fast full gray green grey hals hand hard head heart herz hip hoch hot image kidney kind
knee knie kopf lang large late lateral leber left leg light lime liver long low lower lung lunge
man mann may medium mid middle native neck neck new none normal north oblique old open oral palm
patient pelvis phantom phase pink plain portal pelvis posterior prone quick rapid rechts red right
rose round rumpf sagittal scan schulter sharp short shoulder side sinus skull slice slow small
soft south spine standard stern stomach strong study subject supine table tall test thick thigh
thin thorax tief tilt time tooth top trial unknown upper vein venous volunteer wall water weich
west white wide wrist young
"""
COMMON_WORDS = frozenset(_COMMON.split())

_NAMES = (0x00100010, 0x00101001, 0x00101005)
_SOURCES: tuple[tuple[int, FindingKind], ...] = (
    *((tag, FindingKind.PATIENT_NAME) for tag in _NAMES),
    (0x00100020, FindingKind.PATIENT_ID),
    (0x00101000, FindingKind.PATIENT_ID),
    (0x00100030, FindingKind.BIRTH_DATE),
    (0x00080050, FindingKind.ACCESSION_NUMBER),
    (0x00101040, FindingKind.ADDRESS),
    (0x00102154, FindingKind.PHONE),
    (0x00102155, FindingKind.PHONE),
)
_CHARACTER_SET = 0x00080005
_LONGEST_VALUE = 1024
_MONTHS = (
    ("jan", "january", "januar"),
    ("feb", "february", "februar"),
    ("mar", "march", "märz", "mrz"),
    ("apr", "april"),
    ("may", "mai"),
    ("jun", "june", "juni"),
    ("jul", "july", "juli"),
    ("aug", "august"),
    ("sep", "sept", "september"),
    ("oct", "october", "okt", "oktober"),
    ("nov", "november"),
    ("dec", "december", "dez", "dezember"),
)
_WORD = re.compile(r"[^\W\d_]+")
_SHORT_VR = re.compile(rb"AE|AS|CS|DA|DT|IS|LO|LT|PN|SH|ST|TM")
_LONG_VR = re.compile(rb"UC|UN|UT|UR")

RawIdentifiers = tuple[tuple[int, bytes], ...]


def raw_identifiers(header: bytes, big_endian: bool) -> RawIdentifiers:
    """Tags and raw values of identifiers in an encoded header, at all levels."""
    found: dict[tuple[int, bytes], None] = {}
    for tag, _ in (*_SOURCES, (_CHARACTER_SET, None)):
        for value in _values(header, tag, big_endian):
            found[tag, value] = None
    return tuple(found)


def _values(header: bytes, tag: int, big_endian: bool) -> Iterator[bytes]:
    order = ">" if big_endian else "<"
    needle = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    position = header.find(needle)
    while position >= 0:
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
            return
        if 0 < length <= _LONGEST_VALUE and start + length <= len(header):
            value = header[start : start + length].strip(b" \0")
            if value:
                yield value
        position = header.find(needle, position + 4)


def decode(value: bytes, encodings: list[str]) -> str:
    """Text of bytes in the first of the encodings that fits, else in the default one."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    for encoding in encodings:
        try:
            return value.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return value.decode("latin-1")


def encodings_of(declared: list[bytes]) -> list[str]:
    """Python's names for the declared character sets, and UTF-8 and Latin-1 in any case."""
    found: dict[str, None] = {}
    for value in declared:
        for term in value.decode("ascii", "replace").split("\\"):
            encoding = pydicom_charset.python_encoding.get(term.strip())
            if encoding and encoding != "iso8859":
                found[encoding] = None
                if "iso2022" in encoding:
                    found["iso2022_jp_2"] = None
    if b"ISO 2022 IR 149" in b"".join(declared):
        found["euc_kr"] = None
    for encoding in ("utf-8", "latin-1"):
        found[encoding] = None
    return list(found)


def foldings(text: str) -> tuple[str, str]:
    """Text in small letters: without accents, and with umlauts written out."""
    lowered = unicodedata.normalize("NFC", text).casefold()
    if lowered.isascii():
        return lowered, lowered
    written = lowered.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return _without_accents(lowered), _without_accents(written)


def _without_accents(text: str) -> str:
    letters = [c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)]
    return unicodedata.normalize("NFC", "".join(letters))


def _is_ideographic(word: str) -> bool:
    return not word.isascii() and word.lower() == word.upper()


@dataclass(frozen=True)
class Identifiers:
    """Identifiers of one patient, ready to be searched for."""

    encodings: list[str]
    names: list[frozenset[str]]  # folded spellings of each part
    ids: frozenset[str]
    accession_numbers: frozenset[str]
    birth_dates: re.Pattern[str] | None
    compact_birth_dates: frozenset[str]
    addresses: frozenset[str]
    phones: frozenset[str]  # digits only
    needles: tuple[bytes, ...]  # none of these in the lowered bytes: nothing to find


def identifiers(raw: RawIdentifiers) -> Identifiers:
    """Works out spellings and needles from raw values."""
    encodings = encodings_of([value for tag, value in raw if tag == _CHARACTER_SET])
    by_kind: dict[FindingKind, set[str]] = {kind: set() for kind in FindingKind}
    kinds = dict(_SOURCES)
    for tag, value in raw:
        if tag in kinds:
            by_kind[kinds[tag]].add(decode(value, encodings))
    parts = {
        word
        for name in by_kind[FindingKind.PATIENT_NAME]
        for word in _WORD.findall(name)
        if len(word) >= (2 if _is_ideographic(word) else 3)
    }
    ids = _values_of(by_kind[FindingKind.PATIENT_ID])
    accession_numbers = _values_of(by_kind[FindingKind.ACCESSION_NUMBER])
    births = [day for value in by_kind[FindingKind.BIRTH_DATE] if (day := _date(value))]
    addresses = {
        foldings(line.strip())[0]
        for value in by_kind[FindingKind.ADDRESS]
        for line in re.split(r"[\\^\r\n,;]", value)
        if len(line.strip()) >= 6
    }
    phones = {
        digits
        for value in by_kind[FindingKind.PHONE]
        for number in value.split("\\")
        if len(digits := re.sub(r"\D", "", number)) >= 6
    }
    needles: dict[bytes, None] = {}
    for word in sorted(parts):
        for spelling in (word, *foldings(word), *_contracted(word)):
            for form in (spelling.lower(), spelling.upper(), spelling.title()):
                for encoding in encodings:
                    try:
                        needles[form.encode(encoding).lower()] = None
                    except (UnicodeEncodeError, LookupError):
                        continue
    texts = [*ids, *accession_numbers, *addresses]
    for value in by_kind[FindingKind.PHONE]:  # grouping of the digits varies, so parts are needles
        groups = re.findall(r"\d{3,}", value)
        texts += [max(groups, key=len), re.sub(r"\D", "", value)[-4:]] if groups else []
    texts += [form for day in births for form in _date_needles(day)]
    for text in sorted(set(texts)):
        for encoding in encodings if not text.isascii() else ("ascii",):
            try:
                needles[text.encode(encoding).lower()] = None
            except (UnicodeEncodeError, LookupError):
                continue
    needles.pop(b"", None)
    compact = {f"{day:%Y%m%d}".zfill(8) for day in births}
    patterns = [_date_pattern(day) for day in births]
    return Identifiers(
        encodings=encodings,
        names=[frozenset({*foldings(word), *_contracted(word)}) for word in sorted(parts)],
        ids=frozenset(ids),
        accession_numbers=frozenset(accession_numbers),
        birth_dates=re.compile("|".join(patterns)) if patterns else None,
        compact_birth_dates=frozenset(compact),
        addresses=frozenset(addresses),
        phones=frozenset(phones),
        needles=tuple(needles),
    )


def _values_of(texts: set[str]) -> set[str]:
    return {
        part.casefold()
        for text in texts
        for value in text.split("\\")
        if len(part := value.strip()) >= 3
    }


def _contracted(word: str) -> set[str]:
    word = word.casefold()
    short = word.replace("ae", "ä").replace("oe", "ö").replace("ue", "ü")
    return {short} if short != word else set()


def _date(value: str) -> date | None:
    digits = re.sub(r"\D", "", value)
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _date_needles(day: date) -> set[str]:
    year, month, number = f"{day.year:04d}", f"{day.month:02d}", f"{day.day:02d}"
    needles = {year + month + number, number + month + year, month + number + year}
    for separator in "-./ ":
        needles |= {year + separator, separator + year}
    for separator in "-./":
        for first, second in ((day.month, day.day), (day.day, day.month)):
            needles.add(f"{first}{separator}{second:02d}{separator}{year[2:]}")
            needles.add(f"{first}{separator}{second}{separator}{year[2:]}")
    return needles


def _date_pattern(day: date) -> str:
    """Matches the date in folded text, as people and machines write it."""
    year, short = f"{day.year:04d}", f"{day.year % 100:02d}"
    month, number = f"{day.month:02d}", f"{day.day:02d}"
    m, d = f"0?{day.month}", f"0?{day.day}"
    names = "|".join(foldings(name)[0] for name in _MONTHS[day.month - 1])
    forms = (
        f"{year}{month}{number}",
        f"{number}{month}{year}",
        f"{month}{number}{year}",
        rf"{year}([-./ ]){m}[-./ ]{d}".replace("(", "(?:"),
        rf"(?:{d}[-./ ]{m}|{m}[-./ ]{d})[-./ ](?:{year}|{short})",
        rf"{d}[-./ ]*(?:{names})[a-z]*[-./, ]*(?:{year}|{short})",
        rf"(?:{names})[a-z]*[-./ ]*{d}[-./, ]+(?:{year}|{short})",
    )
    return rf"(?<!\d)(?:{'|'.join(forms)})(?!\d)"

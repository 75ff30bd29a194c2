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

import itertools
import re
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache

from pydicom import charset as pydicom_charset

from .leak_vocabulary import COMMON_WORDS
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
_SHORTEST_PART, _SPACED_PART, _PART_INSIDE_WORDS = 3, 5, 6
_SHORTEST_ID, _ID_INSIDE_TEXT = 3, 6
_YEAR = re.compile(r"(?:19|20)\d\d")
_WORD = re.compile(r"[^\W\d_]+")
_SHORT_VR = re.compile(rb"AE|AS|CS|DA|DS|DT|IS|LO|LT|PN|SH|ST|TM|UI")
_LONG_VR = re.compile(rb"UC|UN|UT|UR")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_ESCAPE = re.compile(rb"\x1b[\x20-\x2f]+[\x30-\x7e]")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th"})
_WRITTEN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"})
_ESCAPED_KANJI = re.compile(
    rb"\x1b\$[@B].*?(?:\x1b\([BJ]|$)|\x1b\$\(D.*?(?:\x1b\([BJ]|$)", re.DOTALL
)
_OF_IDEOGRAPHS = ("shift_jis", "iso2022_jp", "euc_kr", "gb18030")
_OF_ALPHABETS = ("iso8859_2", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9")

SEPARATORS = b"\0 ^\\=-_.,;:'/()"
"""Dropped before bytes are searched: what is split, spaced or written in UTF-16 becomes plain."""

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


def _meant_by(value: bytes, encodings: list[str]) -> set[str]:
    """What an identifier may say: as declared, and in UTF-8 although something else is declared."""
    if b"\x1b" not in value:
        return {decode(value, encodings), decode(value, ["utf-8", *encodings])}
    texts = {value.decode(encoding, "replace") for encoding in encodings if "iso2022" in encoding}
    texts.add(decode(_ESCAPED_KANJI.sub(b"=", value), encodings))
    texts.add(decode(_ESCAPE.sub(b"", value), [e for e in encodings if "iso2022" not in e]))
    return texts


def readings(value: bytes, encodings: list[str], of_bytes: bool) -> set[str]:
    """All that a value may say: in each of the encodings, and as text hidden in bytes."""
    plain_ascii = value.isascii() and b"\x1b" not in value and b"\0" not in value
    if plain_ascii and not of_bytes:
        return {value.decode("ascii")}
    texts = {value.decode(encoding, "replace") for encoding in encodings}
    if b"\x1b" in value:
        plain = _ESCAPE.sub(b"", value)
        texts |= {plain.decode(encoding, "replace") for encoding in encodings}
    if b"\0" in value.strip(b"\0"):
        texts.add(value.translate(None, b"\0").decode("latin-1"))
    if of_bytes or b"\0" in value:
        for start in (0, 1):
            texts.add(value[start:].decode("utf-16-le", "replace"))
            texts.add(value[start:].decode("utf-16-be", "replace"))
    return texts


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
    joined = b"".join(declared)
    if b"ISO 2022 IR 149" in joined:
        found["euc_kr"] = None
    if b"ISO 2022 IR 58" in joined:
        found["gb2312"] = None
    for encoding in ("utf-8", "latin-1"):
        found[encoding] = None
    return list(found)


def foldings(text: str) -> tuple[str, str]:
    """Text in small letters: without accents, and with umlauts written out."""
    lowered = unicodedata.normalize("NFC", text).casefold()
    if lowered.isascii():
        return lowered, lowered
    return _without_accents(lowered), _without_accents(lowered.translate(_WRITTEN))


def _without_accents(text: str) -> str:
    letters = [c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)]
    return unicodedata.normalize("NFC", "".join(letters)).translate(_LETTERS)


def _is_ideographic(word: str) -> bool:
    return not word.isascii() and word.lower() == word.upper()


def spellings_of(word: str) -> frozenset[str]:
    """Folded spellings of a part of a name: Müller is Muller, Mueller and müller."""
    return frozenset(form for written in _written_forms(word) for form in foldings(written))


def _written_forms(word: str) -> tuple[str, str, str]:
    """As it stands, with umlauts contracted, with a sharp s."""
    lowered = word.lower()
    contracted = lowered.replace("ae", "ä").replace("oe", "ö").replace("ue", "ü")
    return word, contracted, lowered.replace("ss", "ß")


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
            by_kind[_SOURCES[tag]] |= _meant_by(value, encodings)
    needles = _Needles(encodings)
    names, whole, lone = _names(by_kind[FindingKind.PATIENT_NAME], needles)
    ids = _values_of(by_kind[FindingKind.PATIENT_ID])
    accession_numbers = _values_of(by_kind[FindingKind.ACCESSION_NUMBER])
    births = [day for value in by_kind[FindingKind.BIRTH_DATE] if (day := _date(value))]
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
        for form in _date_needles(day):
            needles.add(form)
    patterns = [_date_pattern(day) for day in births]
    return Identifiers(
        encodings=encodings,
        names=names,
        whole_names=re.compile("|".join(whole)) if whole else None,
        lone_names=frozenset(lone),
        ids=_id_pattern(ids, in_bytes=False),
        ids_in_bytes=_id_pattern(ids, in_bytes=True),
        short_ids=frozenset(text for text in ids if _tells_nothing(text)),
        accession_numbers=_id_pattern(accession_numbers, in_bytes=False),
        accession_numbers_in_bytes=_id_pattern(accession_numbers, in_bytes=True),
        birth_dates=re.compile("|".join(patterns)) if patterns else None,
        compact_birth_dates=frozenset(
            f"{day.year:04d}{day.month:02d}{day.day:02d}" for day in births
        ),
        addresses=frozenset(addresses),
        phones=frozenset(phones),
        needles=needles.all(),
    )


class _Needles:
    """Collects byte strings in small letters, without separators."""

    def __init__(self, encodings: list[str]) -> None:
        self._encodings = encodings
        self._found: dict[bytes, None] = {}

    def add(self, text: str) -> None:
        """A text in the encodings that can hold it and may have been used."""
        if text.isascii():
            self._enter(text.encode())
            return
        likely = [*self._encodings, "utf-16-le", "utf-16-be"]
        likely += _OF_IDEOGRAPHS if _is_ideographic(text[0]) else _OF_ALPHABETS
        for form in {text, text.lower(), text.upper(), text.title()}:
            for encoding in likely:
                try:
                    self._enter(_ESCAPE.sub(b"", form.encode(encoding)))
                except (UnicodeEncodeError, LookupError):
                    continue

    def _enter(self, data: bytes) -> None:
        self._found[data.lower().translate(None, SEPARATORS)] = None

    def all(self) -> tuple[bytes, ...]:
        self._found.pop(b"", None)
        ordered = sorted(self._found, key=len)
        kept: list[bytes] = []
        for needle in ordered:  # a longer needle says nothing that one within it does not
            if not any(shorter in needle for shorter in kept):
                kept.append(needle)
        return tuple(kept)


_Names = tuple[list[tuple[re.Pattern[str], bool]], list[str], set[str]]


def _names(texts: set[str], needles: _Needles) -> _Names:
    parts: dict[str, None] = {}
    whole: dict[str, None] = {}
    lone: set[str] = set()
    for text in sorted(texts):
        for name in re.split(r"[\\=]", text):
            words = _WORD.findall(name)
            telling = [word for word in words if _is_part(word)]
            for word in telling:
                parts[word] = None
            for pair in itertools.permutations(words[:4], 2):
                if all(_is_weak(word) for word in pair) and _long_enough(pair):
                    whole[_adjacent(pair)] = None
                    for spelling in spellings_of(pair[0]):
                        for other in spellings_of(pair[1]):
                            needles.add(spelling + other)
            if len(words) == 1 and not telling:
                lone.update(spellings_of(words[0]))
                needles.add(words[0])
    compiled = []
    for word in sorted(parts):
        spellings = spellings_of(word)
        for spelling in (*_written_forms(word), *spellings):
            needles.add(spelling)
        alternatives = "|".join(sorted(_part_pattern(spelling) for spelling in spellings))
        compiled.append((re.compile(alternatives), not spellings & COMMON_WORDS))
    return compiled, list(whole), lone


def _is_part(word: str) -> bool:
    return len(word) >= (2 if _is_ideographic(word) else _SHORTEST_PART)


def _is_weak(word: str) -> bool:
    """Tells nobody by itself: too short, or a common word."""
    return not _is_part(word) or bool(spellings_of(word) & COMMON_WORDS)


def _long_enough(pair: tuple[str, ...]) -> bool:
    """Initials are no name: two ideographs, or two words of two letters at least."""
    return all(_is_ideographic(word) or len(word) >= 2 for word in pair)


def _part_pattern(part: str) -> str:
    word = rf"(?<![^\W\d_]){re.escape(part)}(?![^\W\d_])"
    if _is_ideographic(part):
        return r"[\W_]?".join(map(re.escape, part))
    if len(part) >= _SPACED_PART:
        spaced = r"[\W_]{0,2}".join(map(re.escape, part))
        word = rf"(?<![^\W\d_]){spaced}(?![^\W\d_])"
    if len(part) >= _PART_INSIDE_WORDS:
        word = rf"{word}|{re.escape(part)}"
    return word


def _adjacent(pair: tuple[str, ...]) -> str:
    first, second = ("|".join(sorted(map(re.escape, spellings_of(word)))) for word in pair)
    return rf"(?<![^\W\d_])(?:{first})[\W_]{{0,3}}(?:{second})(?![^\W\d_])"


def plain_words(text: str) -> str:
    """Letters and digits, everything between them one space."""
    return re.sub(r"[\W_]+", " ", text).strip()


def _values_of(texts: set[str]) -> set[str]:
    return {part.strip().casefold() for text in texts for part in text.split("\\") if part.strip()}


def _tells_nothing(text: str) -> bool:
    core = re.sub(r"[\W_]", "", text)
    significant = core.lstrip("0") if core.isdigit() else core
    short = len(significant) < _SHORTEST_ID
    return short or core in COMMON_WORDS or bool(_YEAR.fullmatch(core))


def _id_pattern(ids: set[str], in_bytes: bool) -> re.Pattern[str] | None:
    """Ids in folded text; in bytes only long ones, whose neighbours may be anything."""
    patterns: dict[str, None] = {}
    for text in sorted(ids):
        core = re.sub(r"[\W_]", "", text)
        if _tells_nothing(text):
            continue
        zeros = ""
        if core.isdigit():
            core, zeros = core.lstrip("0"), "0*"
        inside = len(core) >= _ID_INSIDE_TEXT
        if inside:
            body = r"[\W_]?".join(map(re.escape, core))
        elif zeros:
            body = core
        else:
            body = r"[\W_]?".join(map(re.escape, core))
        if in_bytes:
            if inside:
                patterns[body] = None
            continue
        patterns[rf"(?<![^\W_]){zeros}{body}(?![^\W_])"] = None
    return re.compile("|".join(patterns)) if patterns else None


def _date(value: str) -> date | None:
    digits = re.sub(r"\D", "", value)
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _date_needles(day: date) -> Iterator[str]:
    """Any notation of the date, squeezed, holds one of these."""
    yield f"{day.year:04d}"
    year = f"{day.year % 100:02d}"
    for first, second in ((day.month, day.day), (day.day, day.month)):
        yield f"{first}{second}{year}"
        yield f"{first}{second:02d}{year}"
    for name in _MONTHS[day.month - 1]:
        for spelling in {name, *foldings(name)}:
            yield f"{spelling}{year}"
            yield f"{spelling}{day.day}{year}"
            yield f"{spelling}{day.day:02d}{year}"


def _date_pattern(day: date) -> str:
    """Matches the date in folded text, as people and machines write it."""
    year, short = f"{day.year:04d}", f"{day.year % 100:02d}"
    month, number = f"{day.month:02d}", f"{day.day:02d}"
    m, d = f"0?{day.month}", f"0?{day.day}"
    names = "|".join(sorted({form for name in _MONTHS[day.month - 1] for form in foldings(name)}))
    between = r"[-./_: \\^]"
    forms = (
        rf"{year}{month}{number}(?:\d{{4}}(?:\d\d)?)?",
        f"{number}{month}{year}",
        f"{month}{number}{year}",
        rf"{year}{between}{{1,2}}{m}{between}{{1,2}}{d}",
        rf"(?:{d}{between}{{1,2}}{m}|{m}{between}{{1,2}}{d}){between}{{1,2}}(?:{year}|{short})",
        rf"{d}[-./ ]*(?:{names})[a-z]*[-./, ]*(?:{year}|{short})",
        rf"(?:{names})[a-z]*[-./ ]*{d}[-./, ]+(?:{year}|{short})",
        rf"{year}[-./ ]*(?:{names})[a-z]*[-./ ]*{d}",
    )
    return rf"(?<!\d)(?:{'|'.join(forms)})(?!\d)"

"""What the leak gate looks for: the identifiers of one patient, found in the source's header.

Written apart from the engine and sharing no table with it, so that one mistake is not made twice.

Policy, a balance of leaks against false alarms:

- Parts of names have three or more letters, or two ideographs. Parts of three to five letters
  count as whole words only (`Ann` is not in `scanner`), longer ones also inside of words, and
  from five letters on also with separators between the letters (`S c h m i d t`). In scripts
  without small letters they count inside of words in any case: such words adjoin each other.
- Two words of a name count without a separator too, in any order (`SmithJohn`), and so does a
  family name of four or more letters with the initials of given names (`jsmith`, `SMITHJ01`).
- A part that is a common word (`Head`, `Stern`, `Siemens`) counts where names of persons stand
  (VR PN, unless it is the pseudonym itself), and elsewhere only beside another part of the name;
  not in codes (VR CS): `ORIGINAL\\PRIMARY` is no person, nor is `LIN`. Particles (`von`, `de`)
  are no parts.
- Shorter names (`Li^Wu`) count as the whole name only, in any order: two letters stand everywhere,
  and a single letter (`S^R`) tells nobody. A name that is one such word counts where it is the
  whole value of a name of a person.
- Names of other persons (physicians, operators) count likewise, from four letters on.
- Ids and accession numbers of six or more characters count inside of text, between characters
  that are no letters or digits (with six digits also between letters), with other separators and
  without leading zeros too; those of three to five as whole words of text only; shorter ones,
  common words and years of four digits only as the whole value where ids of patients stand.
  Numbers of orders, steps and studies count from six characters on, four of them digits.
- Birth dates count in text and in private dates, and among the dates of the standard only in
  attributes about birth: the date of an examination may well be somebody's birthday.
- Lines of addresses, and their words without numbers, have six letters or digits; towns do not
  count where institutions tell their address. Phone numbers count by their last nine digits.
- In bytes, words that could stand there by chance, of three letters and of four and five in long
  values, count as part of eight readable characters only; ids from six characters on.
- What is escaped as in URLs, HTML, JSON or mail counts as what it says, too; what is written in
  Base64, in hexadecimal or backwards, see `leak_hidden`.
- Dates of the study count in text and as numbers, where they do not stay, and in DA and DT where
  the element came with them: a moved date may well be that of another day. Ages over 89 count in
  text, and in AS beyond `090Y`.
- What is a mere number also counts in numbers, see `leak_numbers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from .leak_ages import may_be_old
from .leak_dates import (
    compact_forms,
    date_needles,
    date_of,
    date_pattern,
    needles_of_study,
    needles_of_study_in_text,
    pattern_of_study,
    seconds_of,
)
from .leak_encodings import likely_encodings
from .leak_escapes import has_escapes, plain_bytes, written_part
from .leak_hidden import Hidden
from .leak_ids import (
    core_of,
    id_pattern,
    id_pattern_in_bytes,
    tells_little,
    tells_nothing,
    values_of,
)
from .leak_names import Names, name_patterns
from .leak_needles import Needles, has_any, squeezed_bytes, squeezed_text
from .leak_numbers import Numbers
from .leak_readings import encodings_of, meant_by
from .leak_sources import (
    CHARACTER_SET,
    DATES_OF_STUDY,
    ORDERS,
    PATIENT_AGE,
    PERSONS,
    PERSONS_BY_CODE,
    SOURCES,
    RawIdentifiers,
)
from .leak_spelling import foldings
from .leak_vocabulary import COMMON_WORDS
from .report import FindingKind

PATIENT_ID_TAGS = frozenset({0x00100020, 0x00101000, 0x00120040})
"""Where ids of patients stand: even the shortest id counts there."""

_SHORTEST_LINE, _SHORTEST_WORDS, _SHORTEST_PHONE, _PHONE_TAIL = 6, 8, 6, 9
_SHORTEST_NAME_OF_OTHERS = 4
_STREET = re.compile(r"(?i)(str)(?:asse|aße|eet|\b)\.?.*")
"""What is abbreviated, and all behind it."""


@dataclass
class Identifiers:
    """Identifiers of one patient, ready to be searched for. Patterns are made when first needed.

    Attributes:
        encodings: In which values are read.
        lone_names: Folded names of one short word.
        short_ids: Folded; count where ids of patients stand.
        days_of_study: Dates of the study that may not be left.
        may_be_old: Whether text may not tell an age over 89.
        numbers: What is a mere number.
        hidden: What does not stand as it is.
        needles_in_text: None of these in squeezed ASCII: there is nothing to find.
        needles_of_study: None of these in squeezed text of text VRs: no date of the study.
        needles_in_bytes: None of these in squeezed bytes: there is no text to find.
        clean: Elements as encoded in which nothing was found.
        memo: Of the others what they hold, and whether they may hold a UID in text.
    """

    encodings: list[str]
    name_sources: list[Names]
    lone_names: frozenset[str]
    id_values: dict[FindingKind, set[str]]
    short_ids: frozenset[str]
    births: list[date]
    literal_births: set[str]
    lines: set[str]
    phone_numbers: set[str]
    local_numbers: set[str]
    days_of_study: list[date]
    may_be_old: bool
    numbers: Numbers
    hidden: Hidden
    needles_in_text: tuple[bytes, ...]
    needles_of_study: tuple[bytes, ...]
    needles_in_bytes: tuple[bytes, ...]
    clean: set[bytes] = field(default_factory=set)
    memo: dict[bytes, tuple[tuple[FindingKind, ...], bool]] = field(default_factory=dict)

    def may_be_said_in(self, data: bytes) -> bool:
        """Whether bytes may hold something of the patient as text."""
        if self._may_say(data):
            return True
        written = written_part(data)
        return has_escapes(written) and any(map(self._may_say, plain_bytes(written)))

    def _may_say(self, data: bytes) -> bool:
        return has_any(squeezed_text(data), self.needles_in_text) or (
            bool(self.needles_in_bytes) and has_any(squeezed_bytes(data), self.needles_in_bytes)
        )

    @cached_property
    def names(self) -> list[tuple[re.Pattern[str], bool]]:
        """Pattern of each part, and whether the part tells somebody by itself."""
        return [
            (re.compile(pattern), telling)
            for parts, _, _ in self.name_sources
            for pattern, telling in parts
        ]

    @cached_property
    def whole_names(self) -> re.Pattern[str] | None:
        """Names as a whole, for those whose parts tell nothing."""
        return _any_of([pattern for _, whole, _ in self.name_sources for pattern in whole])

    @cached_property
    def ids(self) -> dict[FindingKind, tuple[re.Pattern[str], re.Pattern[str] | None]]:
        """Ids in text, and in bytes."""
        found = {}
        for kind, values in self.id_values.items():
            if pattern := _any_of([id_pattern(values)]):
                found[kind] = pattern, _any_of([id_pattern_in_bytes(values)])
        return found

    @property
    def compact_birth_dates(self) -> frozenset[str]:
        return frozenset(compact_forms(day)[0] for day in self.births)

    @cached_property
    def compact_days_of_study(self) -> frozenset[str]:
        return frozenset(compact_forms(day)[0] for day in self.days_of_study)

    @cached_property
    def birth_dates(self) -> re.Pattern[str] | None:
        return _any_of([*map(date_pattern, self.births), id_pattern(self.literal_births)])

    @cached_property
    def study_dates(self) -> re.Pattern[str] | None:
        return _any_of([pattern_of_study(day) for day in self.days_of_study])

    @cached_property
    def addresses(self) -> re.Pattern[str] | None:
        return _any_of([_line_pattern(line) for line in sorted(self.lines)])

    @cached_property
    def streets(self) -> re.Pattern[str] | None:
        """Lines with a number."""
        lines = [line for line in sorted(self.lines) if re.search(r"\d", line)]
        return _any_of([_line_pattern(line) for line in lines])

    @cached_property
    def phones(self) -> re.Pattern[str] | None:
        forms = [r"[\W_]{0,3}".join(map(re.escape, text)) for text in sorted(self.phone_numbers)]
        local = [r"[\W_]{0,3}".join(text) for text in sorted(self.local_numbers)]
        return _any_of(
            [rf"{form}(?!\d)" for form in forms] + [rf"(?<![\d.]){form}(?!\.?\d)" for form in local]
        )


def _any_of(patterns: list[str]) -> re.Pattern[str] | None:
    patterns = [pattern for pattern in patterns if pattern]
    return re.compile("|".join(patterns)) if patterns else None


def identifiers(raw: RawIdentifiers, dates: bool = True) -> Identifiers:
    """Works out spellings and needles from raw values; `dates`: those of the study may not stay."""
    encodings = encodings_of([value for tag, value in raw if tag == CHARACTER_SET])
    by_kind: dict[FindingKind, set[str]] = {kind: set() for kind in FindingKind}
    orders: set[str] = set()
    persons: set[str] = set()
    for tag, value in raw:
        if tag in SOURCES:
            by_kind[SOURCES[tag]] |= meant_by(value, encodings)
        elif tag in ORDERS:
            orders |= meant_by(value, encodings)
        elif tag in PERSONS or tag == PERSONS_BY_CODE:
            persons |= meant_by(value, encodings)
    persons -= by_kind[FindingKind.PATIENT_NAME]
    needles = Needles(encodings)
    names = [name_patterns(by_kind[FindingKind.PATIENT_NAME], needles)]
    if persons:
        names.append(name_patterns(persons, needles, _SHORTEST_NAME_OF_OTHERS))
    ids = values_of(by_kind[FindingKind.PATIENT_ID])
    told_of_orders = {part for text in values_of(orders) for part in (text, *text.split())}
    numbers_of_orders = {text for text in told_of_orders if not tells_little(text)}
    accession_numbers = values_of(by_kind[FindingKind.ACCESSION_NUMBER]) | numbers_of_orders
    births = {text: date_of(text) for text in values_of(by_kind[FindingKind.BIRTH_DATE])}
    days = sorted({day for day in births.values() if day})
    told = {date_of(value.decode("ascii")) for tag, value in raw if tag in DATES_OF_STUDY}
    days_of_study = sorted(filter(None, told))
    literal_births = {
        text for text, day in births.items() if day is None and len(core_of(text)) >= 6
    }
    literal_births |= {text for day in days for text in seconds_of(day)}
    lines: set[str] = set()
    for text in by_kind[FindingKind.ADDRESS]:
        for part in _parts_of_address(text):
            if found := _lines_of(part):
                lines |= found
                needles.add(_STREET.sub(r"\1", part))
    phones = {number for text in by_kind[FindingKind.PHONE] for number in _phones_of(text)}
    for text in (*ids, *accession_numbers, *literal_births):
        needles.add(core_of(text))
    local_numbers = {n for text in by_kind[FindingKind.PHONE] for n in _local_numbers_of(text)}
    local_numbers -= phones
    for text in (*phones, *local_numbers):
        needles.add(text)
    for day in days:
        for form in date_needles(day):
            needles.add(form)
    days_that_count = [day for day in days_of_study if dates and day not in days]
    for day in days_that_count:
        for form in needles_of_study(day):
            needles.add(form)
    hidden = Hidden()
    hidden.add_names(sorted(by_kind[FindingKind.PATIENT_NAME]), FindingKind.PATIENT_NAME)
    hidden.add_ids(sorted(accession_numbers), FindingKind.ACCESSION_NUMBER)
    hidden.add_ids(sorted(ids), FindingKind.PATIENT_ID)
    hidden.add_births(days)
    numbers = Numbers()
    numbers.add_days(days_that_count)
    numbers.add_ids(accession_numbers, FindingKind.ACCESSION_NUMBER)
    numbers.add_ids(ids, FindingKind.PATIENT_ID)
    numbers.add_ids({text for text in phones if text.isdecimal()}, FindingKind.PHONE)
    numbers.add_births(days)
    texts = set().union(*by_kind.values(), persons)
    return Identifiers(
        encodings=list(dict.fromkeys([*encodings, *likely_encodings(sorted(texts))])),
        name_sources=names,
        lone_names=frozenset(names[0][2]),
        id_values={
            FindingKind.PATIENT_ID: ids,
            FindingKind.ACCESSION_NUMBER: accession_numbers,
        },
        short_ids=frozenset(text for text in ids if tells_nothing(text)),
        births=days,
        literal_births=literal_births,
        lines=lines,
        phone_numbers=phones,
        local_numbers=local_numbers,
        days_of_study=days_that_count,
        may_be_old=may_be_old(
            days, [value for tag, value in raw if tag == PATIENT_AGE], days_of_study
        ),
        numbers=numbers,
        hidden=hidden,
        needles_in_text=needles.in_text(),
        needles_of_study=tuple(
            {form.encode() for day in days_that_count for form in needles_of_study_in_text(day)}
        ),
        needles_in_bytes=needles.in_bytes(),
    )


def _parts_of_address(text: str) -> list[str]:
    """Lines of an address, and their words without numbers."""
    parts = [part.strip() for part in re.split(r"[\\^\r\n,;=|]", text)]
    return [*parts, *(re.sub(r"\d+", " ", part) for part in parts)]


def _lines_of(part: str) -> set[str]:
    """Folded forms of a part of an address that tells something."""
    found: set[str] = set()
    for folded in foldings(part):
        line = re.sub(r"[\W_]+", " ", folded).strip()
        has_number = any(character.isdecimal() for character in line)
        common = not has_number and bool(set(line.split()) & COMMON_WORDS)
        shortest = _SHORTEST_LINE if has_number else _SHORTEST_WORDS
        if len(line.replace(" ", "")) >= shortest and not common:
            found.add(line)
    return found


def _line_pattern(line: str) -> str:
    """A line with any separators, or none, between its words and numbers."""
    parts = re.findall(r"\d+|[^\W\d_]+", line)
    forms = [re.sub(r"(?<=.)str(?:asse|eet)?$", "str(?:asse|eet)?", part) for part in parts]
    joined = r"[\W_]*".join(forms)
    return rf"(?<![^\W_]){joined}(?![^\W_])"


def _local_numbers_of(text: str) -> set[str]:
    """Phone numbers without the code of their area, as neighbours write them."""
    found: set[str] = set()
    for part in re.split(r"[\\;,^|]|(?<=\w)\s+(?=\+)", text):
        if "@" in part:
            continue
        groups = re.findall(r"\d+", foldings(part)[0])
        for first in range(1, len(groups)):
            digits = "".join(groups[first:])
            if len(digits) >= _SHORTEST_PHONE and (first == len(groups) - 1 or first < 3):
                found.add(digits)
    return found


def _phones_of(text: str) -> set[str]:
    """Last digits of phone numbers, and addresses of electronic mail."""
    found: set[str] = set()
    for part in re.split(r"[\\;,^|]|\s(?=[+@\w]*@)|(?<=\w)\s+(?=\+)", text):
        folded = foldings(part.strip())[0]
        found.update(re.findall(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", folded))
        digits = re.sub(r"\D", "", folded)
        if len(digits) >= _SHORTEST_PHONE:
            found.add(digits[-_PHONE_TAIL:])
    return found

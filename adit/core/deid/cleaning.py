"""Takes identifiers out of free text and keeps the rest (PS3.15 E.3.5, Clean Descriptors).

Of this patient and study: names, ids, accession numbers, dates of birth, addresses and their
parts, and names of other persons that stand in the object; the dates of the study unless dates
stay. In descriptors also the institution's name, and what looks like an identifier of anybody:
dates, long numbers, e-mail addresses, UIDs, persons with a title, ages over 89. The rest stays, so
that protocols and series can still be told apart.

Texts are compared as `folding` has them, and without what stands between letters and digits: an id
is found with other separators, a name with its letters apart. What is escaped as in URLs and HTML
is read as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from enum import Enum, auto
from typing import NamedTuple

from .addresses import AddressParts
from .brief import tells_by_itself, year_pattern
from .escapes import unescaped
from .folding import Folded, fold, is_of_word, is_unspaced, spellings, squeezed
from .institutions import Institutions, may_tell_device
from .lookalikes import unmixed
from .name_parts import joined_names, name_words, whole_names
from .of_anybody import spans_of_anybody
from .written_ages import old_ages_in
from .written_dates import compact_forms, dates_in, reads_as, short_years

_SPACES = re.compile(r"[ \t]{2,}")
_SUBSTRING_LENGTH = 6  # from here on a name part is recognised inside a longer word
_JOINED_INSIDE_WORDS = 8
_SHORTEST_NUMBER = 5  # of an order or a step; shorter ones count without meaning
_LONGEST_GAP = 3
_LENGTH_OF_A_YEAR = 4
_YTTRIUM = re.compile(r"90[-_]?y")  # a nuclide, and an age
_YEAR = re.compile(r"(?:19|20)\d\d")
_MEMO_LIMIT = 2000
_MANY_NEEDLES, _BEGIN = 400, 12


class _Kind(Enum):
    NAME = auto()
    WHOLE_WORD = auto()  # of places, and what is too short to stand in another word
    WHOLE_NAME = auto()  # of words that are too short to be looked for one by one
    ANYWHERE = auto()  # in scripts without spaces
    IDENTIFIER = auto()
    TOKEN = auto()  # of two characters, which must stand together and alone


class _Birth(NamedTuple):
    """A birth date, with what the search for it begins with and its forms of six digits."""

    day: date
    years: tuple[str, ...]
    short: frozenset[str]

    def spans(self, folded: Folded) -> Iterator[tuple[int, int]]:
        """Where a text tells it."""
        if not any(year in folded.text for year in self.years):
            return
        for start, end in dates_in(folded.text):
            if reads_as(folded.text[start:end], self.day):
                yield folded.span(start, end)
        for match in re.finditer(r"(?<!\d)(?<!\d\.)\d{6}(?!\d|\.\d)", folded.text):
            if match[0] in self.short:  # also behind initials
                yield folded.span(*match.span())


class _Study(NamedTuple):
    """A date of the study. Versions look like days with a short year: it has four digits then."""

    day: date
    compact: frozenset[str]

    def spans(self, folded: Folded) -> Iterator[tuple[int, int]]:
        """Where a text tells it."""
        if f"{self.day.year % 100:02d}" not in folded.text:
            return
        for start, end in dates_in(folded.text):
            written = folded.text[start:end]
            telling = f"{self.day.year:04d}" in written or any(map(str.isalpha, written))
            if telling and reads_as(written, self.day):
                yield folded.span(start, end)
        for match in re.finditer(r"(?<![\d.])(?:\d{8}|\d{6})(?!\.?\d)", folded.text):
            if match[0] in self.compact:
                yield folded.span(*match.span())


class _Needles(dict[str, _Kind]):
    """What to look for, squeezed. Many are sought by how they begin."""

    _by_begin: dict[int, dict[str, list[str]]] | None = None

    def found_in(self, letters: str) -> list[str]:
        """Those that stand in squeezed text."""
        if len(self) <= _MANY_NEEDLES:
            return [needle for needle in self if needle in letters]
        if self._by_begin is None:
            self._by_begin = {}
            for needle in self:
                begin = needle[:_BEGIN]
                self._by_begin.setdefault(len(begin), {}).setdefault(begin, []).append(needle)
        found = []
        for length, begins in self._by_begin.items():
            parts = {letters[at : at + length] for at in range(len(letters) - length + 1)}
            for begin in parts & begins.keys():
                found += [needle for needle in begins[begin] if needle in letters]
        return found


class Cleaner:
    """Cleans texts of one patient and study."""

    def __init__(
        self,
        *,
        names: Iterable[str],
        identifiers: Iterable[str],
        birth_date: date | None,
        numbers: Iterable[str] = (),
        addresses: Iterable[str] = (),
        institutions: Collection[str] = (),
        devices: Collection[str] = (),
        other_births: Collection[date] = (),
        days_of_study: Collection[date] = (),
        over_89: bool = False,
        known_younger: bool = False,
    ) -> None:
        """What to look for.

        Args:
            names: Of persons (PN).
            identifiers: Of the patient: ids, accession numbers, phones.
            birth_date: Of the patient.
            numbers: Of orders and steps; counted when they are long enough to mean one.
            addresses: Of the patient and of persons.
            institutions: Names and addresses, taken out of descriptors only, with those of their
                words that are not ordinary ones.
            devices: Names and serial numbers of devices, taken out of descriptors only.
            other_births: Dates of birth that were told elsewhere.
            days_of_study: Dates of the study that no text may tell.
            over_89: The patient is, so that no text at all may tell it.
            known_younger: An age or a date of birth tells that the patient is not.
        """
        self._own = _Needles()
        self._memo: dict[tuple[str, bool], str] = {}
        self._days: list[_Birth | _Study] = []
        self._over_89 = over_89
        self._known_younger = known_younger
        self._birth_years: list[re.Pattern[str]] = []
        for name in names:
            self._learn_name(name)
        for identifier in identifiers:
            self._learn_identifier(identifier)
        for number in numbers:
            core = squeezed(fold(number).text)
            if len(core) >= _SHORTEST_NUMBER and any(map(str.isdigit, core)):
                self._learn_identifier(number)
        for day in sorted({*other_births, *filter(None, [birth_date])}):
            births, short = compact_forms(day)
            self._days.append(_Birth(day, short_years(day), short))
            self._birth_years.append(year_pattern(day.year))
            self._own.update(dict.fromkeys(births, _Kind.IDENTIFIER))
        for day in sorted({*days_of_study} - {*other_births, birth_date}):
            eight, _ = compact_forms(day)
            six = f"{day.year % 100:02d}{day.month:02d}{day.day:02d}"
            self._days.append(_Study(day, eight | {six}))
        parts = AddressParts()
        for address in addresses:
            parts.learn(address)
        self._learn_address(parts, self._own)
        self._institutions = Institutions(institutions)
        self._of_descriptors = _Needles()
        self._learn_address(self._institutions.parts, self._of_descriptors)
        for spelling in self._institutions.words:
            kind = _Kind.ANYWHERE if is_unspaced(spelling) else _Kind.WHOLE_WORD
            self._of_descriptors[spelling] = kind
        for device in devices:
            for value in device.split("\\"):
                if may_tell_device(value):
                    core = squeezed(fold(value).text)
                    self._of_descriptors.setdefault(core, _Kind.IDENTIFIER)

    def _learn_name(self, name: str) -> None:
        for word in name_words(name):
            for spelling in spellings(word):
                kind = _Kind.NAME
                if is_unspaced(spelling):
                    kind = _Kind.ANYWHERE
                elif len(spelling) < _SUBSTRING_LENGTH:
                    kind = _Kind.WHOLE_WORD
                self._own.setdefault(spelling, kind)
        for joined in joined_names(name):
            for spelling in spellings(joined):
                inside = len(spelling) >= _JOINED_INSIDE_WORDS
                kind = _Kind.NAME if inside else _Kind.WHOLE_WORD
                self._own.setdefault(spelling, kind)
        for whole in whole_names(name):
            for spelling in spellings(whole):
                kind = _Kind.ANYWHERE if is_unspaced(spelling) else _Kind.WHOLE_NAME
                self._own.setdefault(spelling, kind)

    def _learn_identifier(self, identifier: str) -> None:
        if len(identifier.strip()) < 3:
            if tells_by_itself(identifier.strip()):
                self._own.setdefault(identifier.strip().lower(), _Kind.TOKEN)
            return
        for spelling in spellings(identifier):
            core = spelling
            if spelling.isdigit() and len(spelling.lstrip("0")) >= _SUBSTRING_LENGTH - 1:
                core = spelling.lstrip("0")  # zeros before it are taken along
            self._own[core] = _Kind.IDENTIFIER

    @staticmethod
    def _learn_address(parts: AddressParts, into: dict[str, _Kind]) -> None:
        for needles, kind in (
            (parts.places, _Kind.WHOLE_WORD),
            (parts.codes, _Kind.WHOLE_WORD),
            (parts.phrases, _Kind.IDENTIFIER),
        ):
            for needle in needles:
                into.setdefault(needle, _Kind.ANYWHERE if is_unspaced(needle) else kind)

    def clean(self, text: str, descriptor: bool) -> str:
        """Text without identifiers; the same text if there are none.

        Args:
            text: Decoded value; values of a multi-valued element stay apart.
            descriptor: Whether also what looks like an identifier of anybody goes.
        """
        key = (text, descriptor)
        known = self._memo.get(key)
        if known is None:
            known = self._clean(text, descriptor)
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            self._memo[key] = known
        return text if known == text else known

    def _clean(self, text: str, descriptor: bool) -> str:
        normal = text if text.isascii() else unicodedata.normalize("NFC", text)
        spans = list(self._to_remove(normal, descriptor))
        for plain, places in unescaped(normal):
            for start, end in self._to_remove(plain, descriptor):
                spans.append((places[start][0], places[end - 1][1]))
        for plain in unmixed(normal):
            spans += self._to_remove(plain, descriptor)
        if not spans:
            return text
        cleaned = _without(normal, spans)
        return "\\".join(_SPACES.sub(" ", part).strip(" ,;:-_^=|") for part in cleaned.split("\\"))

    def _to_remove(self, text: str, descriptor: bool) -> Iterator[tuple[int, int]]:
        folded = fold(text)
        yield from self._spans(folded, self._own)
        if descriptor:
            yield from self._spans(folded, self._of_descriptors)
            yield from self._institutions.spans(text)
            yield from spans_of_anybody(text, folded, [known.day for known in self._days])
        for day in self._days:
            yield from day.spans(folded)
        if descriptor or self._over_89:
            for start, end in old_ages_in(folded.text):
                if not (self._known_younger and _YTTRIUM.fullmatch(folded.text, start, end)):
                    yield folded.span(start, end)
        alone = len(text.strip(" \0")) <= _LENGTH_OF_A_YEAR  # a number of something, or a code
        if descriptor or not alone:
            for year in self._birth_years:
                for match in year.finditer(folded.text):
                    yield folded.span(*match.span())

    @staticmethod
    def _spans(folded: Folded, needles: _Needles) -> Iterator[tuple[int, int]]:
        letters = squeezed(folded.text)
        found = needles.found_in(letters)
        if not found:
            return
        places = [index for index, sign in enumerate(folded.text) if is_of_word(sign)]
        for needle in found:
            position = letters.find(needle)
            while position >= 0:
                where = places[position : position + len(needle)]
                span = _accepted(folded.text, where, needles[needle])
                if span:
                    yield folded.span(*span)
                position = letters.find(needle, position + 1)


def _accepted(text: str, where: list[int], kind: _Kind) -> tuple[int, int] | None:
    """Start and end of an occurrence if it counts; `where` are the places of its characters."""
    start, end = where[0], where[-1] + 1
    if "\\" in text[start:end]:
        return None  # over the border of two values
    digits = text[start].isdigit()
    while digits and start and text[start - 1] == "0":
        start -= 1
    gaps = [after - before - 1 for before, after in zip(where, where[1:], strict=False)]
    apart = sum(gap > 0 for gap in gaps)
    if kind is _Kind.TOKEN and apart:
        return None
    year = kind is _Kind.IDENTIFIER and not apart and _YEAR.fullmatch(text, where[0], end)
    if year and _in_version(text, start, end):
        return None
    if kind is _Kind.ANYWHERE:
        return (start, end) if max(gaps, default=0) <= 1 else None
    if apart and max(gaps) > _LONGEST_GAP:
        return None
    substring = kind in (_Kind.NAME, _Kind.IDENTIFIER)
    if not apart and substring and len(where) >= _SUBSTRING_LENGTH:
        return start, end
    of_names = kind in (_Kind.NAME, _Kind.WHOLE_NAME) or (kind is _Kind.WHOLE_WORD and not digits)
    one_word = of_names and kind is not _Kind.WHOLE_NAME
    if apart and one_word and len(where) < _SUBSTRING_LENGTH and apart < len(gaps):
        return None  # two words that happen to contain the letters
    joined = str.isalpha if of_names else is_of_word
    if kind is _Kind.IDENTIFIER and len(where) >= _SUBSTRING_LENGTH and _is_number(text, where):
        joined = str.isdigit  # a letter ends a number
    before, after = text[start - 1 : start], text[end : end + 1]
    if (before and _continues(before, joined)) or (after and _continues(after, joined)):
        return None
    return start, end


def _is_number(text: str, where: list[int]) -> bool:
    return all(text[at].isdigit() for at in where)


def _in_version(text: str, start: int, end: int) -> bool:
    """Whether a number is one of several with points between them, as `2019.12.04`."""
    behind, before = text[end : end + 2], text[max(0, start - 2) : start]
    return (behind[:1] == "." and behind[1:].isdigit()) or (
        before[1:] == "." and before[:1].isdigit()
    )


def _continues(character: str, joined: Callable[[str], bool]) -> bool:
    return joined(character) or (is_of_word(character) and not character.isalnum())


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """Text without the spans; the borders of values stay."""
    pieces, position = [], 0
    for start, end in sorted(spans):
        if end <= position:
            continue
        start = max(start, position)
        pieces.append(text[position:start])
        pieces.append("\\" * text.count("\\", start, end))
        position = end
    pieces.append(text[position:])
    return "".join(pieces)

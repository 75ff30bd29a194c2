"""Which identifiers of a patient one outgoing element holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain, islice

from pydicom.datadict import keyword_for_tag

from .leak_ages import is_old_age, tells_old_age
from .leak_identifiers import PATIENT_ID_TAGS, Identifiers
from .leak_ids import with_short_gaps
from .leak_numbers import COUNTED, is_legal
from .leak_readings import readings
from .leak_sources import CHARACTER_SET
from .leak_spelling import foldings
from .leak_vocabulary import OF_IMAGING, TERMS_OF_CODES, TERMS_OF_IMAGING
from .leak_walk import vr_by_dictionary
from .report import FindingKind

TEXT = frozenset(b"AE CS LO LT PN SH ST UC UR UT".split())
BYTES = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN"})
_DATES = frozenset({b"DA", b"DT"})
_TRIAL_GROUP = 0x0012
_DATES_OF_CONTENT = frozenset({0x0040A120, 0x0040A121})
"""DateTime and Date of structured content, which may be about birth."""

_WORD = re.compile(r"[^\W\d_]+")
_CHARACTER_SET = re.compile(
    rb" *(?:ISO_IR (?:6|13|100|101|109|110|126|127|138|144|148|166|192|203)|GB18030|GBK"
    rb"|ISO 2022 IR (?:6|13|58|87|100|101|109|110|126|127|138|144|148|149|159|166|203))?[ \0]*"
)
"""Defined Terms (PS3.3 C.12.1.1.2): their numbers are nobody's."""

_SHORTEST_CONTEXT = 8
_LETTERS, _RARE, _SURELY_NO_CHANCE = 128, 1e-6, 6
"""A word is expected less often than this by chance in bytes, of which two in 256 are one letter:
four letters in a quarter of a KiB, five in 32 KiB, six in anything."""

_PIECE, _OVERLAP = 4096, 512
_MOST_PIECES = 1024
"""Pieces of bytes that may say something and are read; with more the element is held."""

_OF_INSTITUTIONS = frozenset({0x00080080, 0x00080081, 0x00081040, 0x00081041, 0x00400243})


def is_binary(vr: bytes) -> bool:
    """Whether a value is bytes: all that is neither text nor a number, time or UID as text."""
    return vr not in TEXT and vr not in COUNTED


@cache
def _keyword(tag: int) -> str:
    return "" if tag >> 16 & 1 else keyword_for_tag(tag)


def verdict(
    wanted: Identifiers, pseudonym: bytes, big_endian: bool, tag: int, vr: bytes, value: bytes
) -> tuple[FindingKind, ...]:
    """Kinds of identifiers that an element holds."""
    kinds: set[FindingKind] = set()
    of_bytes = is_binary(vr)
    if vr == b"UN" and not tag >> 16 & 1 and vr_by_dictionary(tag) in TEXT:
        vr, of_bytes = vr_by_dictionary(tag), b"\0" in value.strip(b"\0")
    if of_bytes and wanted.numbers.strong | wanted.numbers.weak:
        kinds.update(wanted.numbers.in_binary(tag, vr, value, big_endian))
    if vr in TEXT or vr in BYTES:
        kinds |= wanted.hidden.found_in(value)
    if of_bytes or vr == b"IS":
        kinds |= wanted.hidden.spelled_in(value, vr, big_endian)
    if tag == CHARACTER_SET and all(map(_CHARACTER_SET.fullmatch, value.split(b"\\"))):
        return ()
    if vr == b"AS" and is_old_age(value):
        kinds.add(FindingKind.OLD_AGE)
    keyword = _keyword(tag)
    if vr in _DATES:
        digits = value.decode("ascii", "replace").translate(str.maketrans("", "", "-./:"))
        days = {part.strip()[:8] for part in digits.split("\\")}
        about_birth = "Birth" in keyword or not keyword or tag in _DATES_OF_CONTENT
        if about_birth and days & wanted.compact_birth_dates:
            kinds.add(FindingKind.BIRTH_DATE)
        if days & wanted.compact_days_of_study:
            kinds.add(FindingKind.ORIGINAL_DATE)
    pieces = list(islice(_pieces(wanted, value), _MOST_PIECES + 1)) if of_bytes else [value]
    if len(pieces) > _MOST_PIECES:
        kinds.add(FindingKind.UNCHECKED)
    for text in chain.from_iterable(readings(p, wanted.encodings, of_bytes) for p in pieces):
        said = _Said(text, of_bytes, len(value))
        if vr in COUNTED:
            parts = [part.strip(" \0") for part in said.plain.split("\\")]
            if all(is_legal(vr, part) for part in parts if part):
                kinds.update(wanted.numbers.in_counted(tag, vr, said.plain))
                continue
        if _has_name(wanted, tag, vr, said, pseudonym):
            kinds.add(FindingKind.PATIENT_NAME)
        kinds |= _kinds_in_text(wanted, tag, said)
        if tag >> 16 != _TRIAL_GROUP and _has_date_of_study(wanted, said, pseudonym):
            kinds.add(FindingKind.ORIGINAL_DATE)
        if wanted.may_be_old and not of_bytes and any(map(tells_old_age, said.forms)):
            kinds.add(FindingKind.OLD_AGE)
    return tuple(sorted(kinds))


def _pieces(wanted: Identifiers, value: bytes) -> Iterator[bytes]:
    """Pieces of bytes that may say something, overlapping by more than any identifier needs."""
    if len(value) <= 2 * _PIECE:
        yield value
        return
    for start in range(0, len(value), _PIECE):
        piece = value[start : start + _PIECE + _OVERLAP]
        if wanted.may_be_said_in(piece):
            yield piece


class _Said:
    """What a value, or a piece of it, says in one reading.

    Args:
        text: The reading.
        of_bytes: Whether the value is bytes.
        length: Of the whole value, by which chance is weighed.

    Attributes:
        plain: Folded.
        forms: Folded in all ways.
    """

    def __init__(self, text: str, of_bytes: bool, length: int) -> None:
        folded = foldings(text)
        self.plain, self.forms = folded[0], set(folded)
        self.of_bytes, self._length = of_bytes, length
        self._lowered = text.lower() if of_bytes else ""

    def without(self, words: frozenset[str]) -> _Said:
        """The same without the values that are one of the words."""
        values = self.plain.split("\\")
        if not any(value.strip(" \0") in words for value in values):
            return self
        others = "\\".join(value for value in values if value.strip(" \0") not in words)
        return _Said(others, self.of_bytes, self._length)

    def without_words(self, words: frozenset[str]) -> _Said:
        """The same without the words."""
        if not any(word[0] in words for word in _WORD.finditer(self.plain)):
            return self
        others = _WORD.sub(lambda word: " " if word[0] in words else word[0], self.plain)
        return _Said(others, self.of_bytes, self._length)

    def holds(self, pattern: re.Pattern[str] | None) -> bool:
        """Whether a pattern is in there; in bytes short matches need a context.

        And they count as they stand: without accents, any byte in five would be a letter.
        """
        if pattern is None:
            return False
        if not self.of_bytes:
            return any(pattern.search(text) for text in self.forms)
        text = self._lowered
        if any(
            self._length < _RARE * _LETTERS ** _weight(match[0]) or _is_among_text(text, match)
            for match in pattern.finditer(text)
        ):
            return True
        return any(
            _weight(match[0]) >= _SURELY_NO_CHANCE
            for form in self.forms
            for match in pattern.finditer(form)
        )


def _kinds_in_text(wanted: Identifiers, tag: int, said: _Said) -> set[FindingKind]:
    kinds: set[FindingKind] = set()
    text = said.plain
    if said.holds(wanted.birth_dates):
        kinds.add(FindingKind.BIRTH_DATE)
    for kind, (pattern, in_bytes) in wanted.ids.items():
        searched = in_bytes if said.of_bytes else pattern
        if searched and (searched.search(text) or searched.search(with_short_gaps(text))):
            kinds.add(kind)
    if tag in PATIENT_ID_TAGS and wanted.short_ids:
        values = {part.strip(" \0") for part in text.split("\\")}
        if values & wanted.short_ids:
            kinds.add(FindingKind.PATIENT_ID)
    if said.holds(wanted.streets if tag in _OF_INSTITUTIONS else wanted.addresses):
        kinds.add(FindingKind.ADDRESS)
    if wanted.phones and wanted.phones.search(text):
        kinds.add(FindingKind.PHONE)
    return kinds


def _has_date_of_study(wanted: Identifiers, said: _Said, pseudonym: bytes) -> bool:
    """Whether a date of the study is in there, beside the pseudonym: that may have one."""
    pattern = wanted.study_dates
    if pattern is None or said.of_bytes:
        return said.holds(pattern)
    chosen = pseudonym.decode()
    forms = [form.replace(chosen, " ") for form in said.forms] if chosen else said.forms
    return any(map(pattern.search, forms))


def _has_name(wanted: Identifiers, tag: int, vr: bytes, said: _Said, pseudonym: bytes) -> bool:
    person = vr == b"PN" and said.plain.strip(" \0").encode() != pseudonym
    if vr == b"CS":
        said = said.without(TERMS_OF_CODES)
    if tag in OF_IMAGING:
        said = said.without_words(TERMS_OF_IMAGING)
    if any((telling or person) and said.holds(pattern) for pattern, telling in wanted.names):
        return True
    if vr != b"CS" and said.holds(wanted.whole_names):
        return True
    return vr == b"PN" and any(form.strip(" ^=\0") in wanted.lone_names for form in said.forms)


def _weight(text: str) -> int:
    """Characters, those beyond ASCII counted by what they need in UTF-16 or UTF-8."""
    return sum(1 if c < "\x80" else 2 if c < "\u0e00" else 3 for c in text)


def _is_among_text(text: str, match: re.Match[str]) -> bool:
    """Whether a match in bytes is part of eight printable characters, or is all there is.

    Three letters turn up in bytes by chance, eight that can be read do not.
    """
    start, end = match.span()
    while start and _is_readable(text[start - 1]):
        start -= 1
    while end < len(text) and _is_readable(text[end]):
        end += 1
    return end - start >= _SHORTEST_CONTEXT or text.strip("\0 ") == match[0].strip("\0 ")


def _is_readable(character: str) -> bool:
    return " " <= character <= "~" or (character > "\u02ff" and character.isalpha())

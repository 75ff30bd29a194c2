"""Which identifiers of a patient one outgoing element holds."""

from __future__ import annotations

import re
from functools import cache

from pydicom.datadict import keyword_for_tag

from .leak_identifiers import PATIENT_ID_TAGS, Identifiers
from .leak_ids import ID_INSIDE_TEXT, with_short_gaps
from .leak_names import PART_INSIDE_WORDS
from .leak_numbers import COUNTED, is_legal
from .leak_readings import readings
from .leak_spelling import foldings
from .leak_walk import vr_by_dictionary
from .report import FindingKind

TEXT = frozenset(b"AE CS LO LT PN SH ST UC UR UT".split())
_DATES = frozenset({b"DA", b"DT"})
_SHORTEST_CONTEXT = 8
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
    keyword = _keyword(tag)
    if vr in _DATES and ("Birth" in keyword or not keyword):
        digits = value.decode("ascii", "replace").translate(str.maketrans("", "", "-./:"))
        if any(part.strip()[:8] in wanted.compact_birth_dates for part in digits.split("\\")):
            kinds.add(FindingKind.BIRTH_DATE)
    for text in readings(value, wanted.encodings, of_bytes):
        folded = foldings(text)
        if vr in COUNTED:
            parts = [part.strip(" \0") for part in folded[0].split("\\")]
            if all(is_legal(vr, part) for part in parts if part):
                kinds.update(wanted.numbers.in_counted(tag, vr, folded[0]))
                continue
        if _has_name(wanted, vr, folded, pseudonym, of_bytes):
            kinds.add(FindingKind.PATIENT_NAME)
        kinds |= _kinds_in_text(wanted, tag, folded, of_bytes)
    return tuple(sorted(kinds))


def _kinds_in_text(
    wanted: Identifiers, tag: int, folded: tuple[str, str], of_bytes: bool
) -> set[FindingKind]:
    kinds: set[FindingKind] = set()
    text = folded[0]
    if _is_in(wanted.birth_dates, text, of_bytes, ID_INSIDE_TEXT + 1):
        kinds.add(FindingKind.BIRTH_DATE)
    for kind, (pattern, in_bytes) in wanted.ids.items():
        searched = in_bytes if of_bytes else pattern
        if searched and (searched.search(text) or searched.search(with_short_gaps(text))):
            kinds.add(kind)
    if tag in PATIENT_ID_TAGS and wanted.short_ids:
        values = {part.strip(" \0") for part in text.split("\\")}
        if values & wanted.short_ids:
            kinds.add(FindingKind.PATIENT_ID)
    places = wanted.streets if tag in _OF_INSTITUTIONS else wanted.addresses
    if any(_is_in(places, form, of_bytes, _SHORTEST_CONTEXT) for form in set(folded)):
        kinds.add(FindingKind.ADDRESS)
    if wanted.phones and wanted.phones.search(text):
        kinds.add(FindingKind.PHONE)
    return kinds


def _is_in(pattern: re.Pattern[str] | None, text: str, of_bytes: bool, surely: int) -> bool:
    """Whether a pattern is in text; what is shorter than `surely` in bytes needs a context."""
    if pattern is None:
        return False
    if not of_bytes:
        return bool(pattern.search(text))
    return any(
        _weight(match[0]) >= surely or _is_among_text(text, match)
        for match in pattern.finditer(text)
    )


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


def _has_name(
    wanted: Identifiers,
    vr: bytes,
    folded: tuple[str, str],
    pseudonym: bytes,
    of_bytes: bool,
) -> bool:
    for text in set(folded):
        person = vr == b"PN" and text.strip(" \0").encode() != pseudonym
        for pattern, telling in wanted.names:
            if (telling or person) and _is_in(pattern, text, of_bytes, PART_INSIDE_WORDS):
                return True
        if vr != b"CS" and _is_in(wanted.whole_names, text, of_bytes, PART_INSIDE_WORDS):
            return True
        if vr == b"PN" and text.strip(" ^=\0") in wanted.lone_names:
            return True
    return False

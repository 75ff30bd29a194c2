"""What looks like an identifier of anybody in descriptions: dates, long numbers, phones, e-mail
addresses, UIDs, persons with a title.

Descriptions are full of numbers that are none: b-values, echo times, matrices, ranges, versions.
What is known of the patient goes in any case; here only what has the shape of an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date

from .folding import Folded
from .written_dates import dates_in, lacks_year, month_and_day

_PATTERNS = re.compile(
    r"""
    (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+                     # e-mail address
    | (?<![^\W_])(?<!\d\.)\d+(?:\.\d+){4,}(?![^\W_])           # UID
    | (?P<grouped>\+?\d[\d\s/().|-]{6,}\d(?=\D|$))               # phone or id in groups
    | (?P<long>\d{5,})
    """,
    re.VERBOSE,
)
_TITLES = re.compile(
    r"(?<![^\W_])(?:(?:Dr|Prof|Mr|Mrs|Ms|Miss|Mme|Mlle|Herrn?|Frau|Hr|Fr|Dott|Sig|Dra|Sra)\b\.?\s*)+"
    r"(?:med\.\s*)?(?:[^\W\d_]\.\s*)*(?:[^\W\d_][\w'’-]*)?"
)  # capitals tell them from units and modalities
_LONG = re.compile(r"\d{5,}")
_FEWEST_DIGITS, _DIGITS_OF_SETTINGS = 7, 5
_PREFIX = re.compile(r"\+|00?[1-9]")
_VALUE = re.compile(r"\d+(?:\.\d{1,2}(?![\d.]))?")
_UNIT = re.compile(
    r"\s?(?:mm|ms|sec|s|min|h|hz|k?hz|mhz|kev|kv|mas?|c?gy|mgy|hu|mu|te|tr|ti|ml|vols?|slices?)"
    r"(?![^\W_])"
)
_SETTING_BEFORE = re.compile(r"(?<![^\W\d_])(?:b|te|tr|ti|pld|fov|matrix|hu|mu)[\s=:_]{0,3}$")
_VERSION_BEFORE = re.compile(r"(?<![^\W\d_])v(?:ers?(?:ion)?)?\.?\s?$")
_VERSION_AND_YEAR = re.compile(r"\d{1,2}\.\d{1,2}\s+\d{4}")
_NUMBER_BEFORE, _NUMBER_BEHIND = re.compile(r"\d\.$"), re.compile(r"\.\d")
_FOUR_DIGITS = re.compile(r"\d{4}")
_CONTEXT = 12


def spans_of_anybody(
    text: str, folded: Folded, known: Collection[date]
) -> Iterator[tuple[int, int]]:
    """Start and end, in the text, of what looks like an identifier.

    Args:
        text: As written.
        folded: The same, folded.
        known: Days of the patient and study, which go without their year, too.
    """
    said = folded.text
    for match in _PATTERNS.finditer(said):
        if match["long"]:
            if not _is_long_setting(said, *match.span()):
                yield folded.span(*match.span())
        elif match["grouped"] and _are_settings(said, *match.span()):
            for number in _LONG.finditer(said, *match.span()):
                if not _is_long_setting(said, *number.span()):
                    yield folded.span(*number.span())
        else:
            yield folded.span(*match.span())
    for start, end in dates_in(said):
        if not _is_no_date(said, start, end, known):
            yield folded.span(start, end)
    for match in _TITLES.finditer(text):
        yield match.span()


def _are_settings(text: str, start: int, end: int) -> bool:
    """Whether numbers in a row are values of a protocol and no phone or id."""
    written = text[start:end]
    if _PREFIX.match(written):
        return False
    if sum(map(str.isdigit, written)) < _FEWEST_DIGITS:
        return True
    values = _VALUE.findall(written)
    if max(map(len, values)) > _DIGITS_OF_SETTINGS:
        return False
    if all("." in value for value in values):
        return True
    return all(map(_is_round, values)) or _has_unit(text, start, end)


def _is_long_setting(text: str, start: int, end: int) -> bool:
    written = text[start:end]
    if len(written) > _DIGITS_OF_SETTINGS or written.startswith("0"):
        return False
    return written.endswith("000") or _has_unit(text, start, end)


def _is_round(value: str) -> bool:
    """Of fifties, or a power of two."""
    if not value.isdigit():
        return False
    number = int(value)
    return number % 50 == 0 or not number & (number - 1)


def _has_unit(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - _CONTEXT) : start]
    return bool(_UNIT.match(text, end) or _SETTING_BEFORE.search(before))


def _is_no_date(text: str, start: int, end: int, known: Collection[date]) -> bool:
    """Whether what has the form of a date is a version, a list of ranges or a month and a count."""
    written = text[start:end]
    if lacks_year(written):
        told = month_and_day(written)
        return all(told != (day.month, day.day) for day in known)
    before = text[max(0, start - _CONTEXT) : start]
    if _VERSION_AND_YEAR.fullmatch(written) and _VERSION_BEFORE.search(before):
        return True
    if _FOUR_DIGITS.search(written) or any(map(str.isalpha, written)):
        return False
    of_more = _NUMBER_BEFORE.search(before) or _NUMBER_BEHIND.match(text, end)
    return bool(of_more) or ("," in written and "-" in written)

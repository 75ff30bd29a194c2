"""Patterns that find a date in folded text, as people and machines write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import cache

_MONTHS = (
    ("jan", "gen", "ene"),
    ("feb", "fev"),
    ("mar", "maerz", "mrz", "maa"),
    ("apr", "avr", "abr"),
    ("may", "mai", "mei", "mag"),
    ("jun", "juin", "giu"),
    ("jul", "juil", "lug"),
    ("aug", "aou", "ago"),
    ("sep", "set"),
    ("oct", "okt", "ott", "out"),
    ("nov",),
    ("dec", "dez", "dic"),
)
"""How months begin in English, German, French, Italian, Spanish, Portuguese and Dutch."""

_WHOLE_NAMES = (
    ("jan", "january", "januar", "janvier", "gennaio", "enero"),
    ("feb", "february", "februar", "fevrier", "febbraio", "febrero"),
    ("mar", "march", "marz", "maerz", "mrz", "mars", "marzo"),
    ("apr", "april", "avril", "aprile", "abril"),
    ("may", "mai", "maggio", "mayo"),
    ("jun", "june", "juni", "juin", "giugno", "junio"),
    ("jul", "july", "juli", "juillet", "luglio", "julio"),
    ("aug", "august", "aout", "agosto"),
    ("sep", "sept", "september", "septembre", "settembre", "septiembre"),
    ("oct", "october", "okt", "oktober", "octobre", "ottobre", "octubre"),
    ("nov", "november", "novembre", "noviembre"),
    ("dec", "december", "dez", "dezember", "decembre", "dicembre", "diciembre"),
)
"""These count with a year of two digits, too."""

_ROMAN = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]
"""Of central Europe: `23. VII. 1961`."""

_ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_ERAS = (("明治", "m", 1868), ("大正", "t", 1912), ("昭和", "s", 1926), ("平成", "h", 1989))
_BUDDHIST = 543
_TELLING_SECONDS = 10_000_000
_WIDE = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}


def date_of(value: str) -> date | None:
    """The day that a value of VR DA tells, with or without separators; also day first."""
    numbers = re.findall(r"\d+", value)
    if len(numbers) >= 3 and len(numbers[0]) <= 2 and len(numbers[2]) == 4:
        numbers = numbers[2::-1]
    if len(numbers) >= 3:
        numbers = [numbers[0].zfill(4), numbers[1].zfill(2), numbers[2].zfill(2)]
    digits = "".join(numbers)
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def compact_forms(day: date) -> tuple[str, str, str]:
    """Eight digits: year first, day first, month first."""
    month, number = f"{day.month:02d}", f"{day.day:02d}"
    year = f"{day.year:04d}"
    return year + month + number, number + month + year, month + number + year


def seconds_of(day: date) -> tuple[str, ...]:
    """Its begin in UTC in seconds and milliseconds of POSIX, without a sign; none near 1970."""
    seconds = abs((day - date(1970, 1, 1)).days) * 86400
    return (f"{seconds}", f"{seconds}000") if seconds >= _TELLING_SECONDS else ()


def _short_forms(day: date) -> tuple[str, str, str]:
    """Six digits."""
    month, number, year = f"{day.month:02d}", f"{day.day:02d}", f"{day.year % 100:02d}"
    return year + month + number, number + month + year, month + number + year


def _years_of_eras(day: date) -> Iterator[tuple[str, str, int]]:
    for name, letter, first in _ERAS:
        if 0 <= day.year - first < 65:
            yield name, letter, day.year - first + 1


def date_needles(day: date) -> Iterator[str]:
    """Any notation of the date, squeezed, holds one of these."""
    yield f"{day.year:04d}"
    yield f"{day.year + _BUDDHIST}"
    yield f"{day.year:04d}".translate(_WIDE)
    year = f"{day.year % 100:02d}"
    for first, second in ((day.month, day.day), (day.day, day.month)):
        yield f"{first}{second}{year}"
        yield f"{first}{second:02d}{year}"
    yield from _short_forms(day)
    for name in _WHOLE_NAMES[day.month - 1]:
        yield f"{name}{year}"
        yield f"{year}{name}"
        for number in (day.day, f"{day.day:02d}"):
            yield f"{name}{number}{year}"
            yield f"{name}{number}{_ORDINALS.get(day.day, 'th')}"
    roman = _ROMAN[day.month - 1]
    for number in (day.day, f"{day.day:02d}"):
        yield f"{number}{roman}{year}"
        yield f"{year}{roman}{number}"
    for name, letter, count in _years_of_eras(day):
        yield name
        yield f"{letter}{count}{day.month}"
        yield f"{letter}{count}{day.month:02d}"


@cache
def date_pattern(day: date) -> str:
    """Matches the date in folded text, as people and machines write it.

    The year may be short where the parts are set apart by usual separators, or where the month is
    a word or a Roman number; six digits count between letters too, behind initials.
    """
    year, short = f"(?:{day.year:04d}|{day.year + _BUDDHIST})", f"{day.year % 100:02d}"
    m, d = f"0?{day.month}", f"0?{day.day}"
    names = "|".join(_MONTHS[day.month - 1])
    whole_names = "|".join(_WHOLE_NAMES[day.month - 1])
    month = rf"(?:{names})[^\W\d_]*"
    any_gap, gap = r"[\W_]{1,3}", r"[-./|,_: \\^\u2010-\u2015\u2212]{1,2}"
    ordinal = r"(?:st|nd|rd|th|er|o|a)?"
    loose = r"[\W_]{0,3}"
    of = r"(?:(?:of|de|del|den|du|di)[\W_]{1,2})?"
    compact, roman = compact_forms(day), _ROMAN[day.month - 1]
    forms = [
        rf"{compact[0]}(?:\d{{4}}(?:\d\d)?)?",
        *compact[1:],
        rf"{year}{any_gap}{m}{any_gap}{d}",
        rf"{year}{any_gap}{d}{any_gap}{m}",
        rf"(?:{d}{any_gap}{m}|{m}{any_gap}{d}){any_gap}{year}",
        rf"(?<!\d\.)(?:(?:{d}{gap}{m}|{m}{gap}{d}){gap}{short}|{short}[-./]{m}[-./]{d})(?!\.\d)",
        rf"{d}{ordinal}{loose}{of}{month}{loose}{of}{year}",
        rf"{d}{ordinal}{loose}{of}(?:{whole_names}){loose}{short}",
        rf"{month}{loose}(?:the )?{d}{ordinal}[\W_]{{1,3}}{of}{year}",
        rf"(?:{whole_names}){loose}{d}{ordinal}[\W_]{{1,3}}{short}",
        rf"{year}{loose}{month}{loose}{d}{ordinal}",
        rf"{short}{loose}(?:{whole_names}){loose}{d}",
        rf"{d}{any_gap}{roman}{any_gap}(?:{year}|{short})",
        rf"(?:{year}|{short}){any_gap}{roman}{any_gap}{d}",
        rf"{d}{roman}{year}",
        rf"{year} ?[年년] ?{m} ?[月월] ?{d} ?[日일]?",
    ]
    for name, letter, count in _years_of_eras(day):
        number = rf"0?{count}" if count > 1 else "0?1|元"
        forms.append(rf"{name} ?(?:{number}) ?年 ?{m} ?月 ?{d} ?日?")
        forms.append(rf"(?<![^\W\d_]){letter}\.? ?(?:{number})[-./]{m}[-./]{d}")
    whole = "|".join(_short_forms(day))
    return rf"(?<!\d)(?:{'|'.join(forms)})(?!\d)|(?<!\d)(?<!\d\.)(?:{whole})(?!\d|\.\d)"


def needles_of_study(day: date) -> Iterator[str]:
    """As `date_needles`, for `pattern_of_study` and for numbers."""
    yield from compact_forms(day)
    yield _short_forms(day)[0]


def needles_of_study_in_text(day: date) -> Iterator[str]:
    """Beside those: any other notation in text, squeezed, holds one of these."""
    yield f"{day.year:04d}"
    for name in _WHOLE_NAMES[day.month - 1]:
        yield f"{name}{day.year % 100:02d}"


@cache
def pattern_of_study(day: date) -> str:
    """Matches a date of a study in folded text; fewer notations than of a birth date.

    Versions of software and counts look like days and years of two digits, and examinations are of
    the years of software: the year has four digits, unless the month is a word, or all are six
    digits as DICOM orders them.
    """
    year, short = f"{day.year:04d}", f"{day.year % 100:02d}"
    m, d = f"0?{day.month}", f"0?{day.day}"
    names = "|".join(_WHOLE_NAMES[day.month - 1])
    gap, loose = r"[\W_]{1,3}", r"[\W_]{0,3}"
    compact = compact_forms(day)
    forms = [
        rf"{compact[0]}(?:\d{{4}}(?:\d\d)?)?",
        *compact[1:],
        rf"{year}{gap}{m}{gap}{d}",
        rf"(?:{d}{gap}{m}|{m}{gap}{d}){gap}{year}",
        rf"{d}(?:st|nd|rd|th)?{loose}(?:{names}){loose}(?:{year}|{short})",
        rf"(?:{names}){loose}{d}(?:st|nd|rd|th)?{gap}{year}",
        rf"{year}{loose}(?:{names}){loose}{d}",
    ]
    whole = _short_forms(day)[0]
    return rf"(?<![\d.])(?:{'|'.join(forms)})(?!\.?\d)|(?<![^\W_])(?<!\.){whole}(?![^\W_]|\.\d)"

"""Patterns that find a date in folded text, as people and machines write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from .leak_spelling import foldings

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


def date_of(value: str) -> date | None:
    """The day that a value of VR DA tells, with or without separators."""
    digits = re.sub(r"\D", "", value)
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def date_needles(day: date) -> Iterator[str]:
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


def date_pattern(day: date) -> str:
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

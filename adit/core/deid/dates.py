"""Dates, times and ages as DICOM writes them (PS3.5 6.2), shifted by whole days.

Times of day stay: the offset is in days. A value that is no date is `None`; the caller empties it
or puts a dummy in its place.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

_DATE = re.compile(r"(\d{4})([.\-/]?)(\d\d)\2(\d\d)")
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)((?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?)?)?"
    r"([+-](?:0\d|1[0-4])[0-5]\d)?"
)
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?", re.ASCII)
_AGE = re.compile(r"(\d{3})([DWMY])", re.ASCII)

DUMMY_DATE, DUMMY_TIME, DUMMY_DATE_TIME = "19000101", "000000", "19000101000000"


def parse_date(value: str) -> date | None:
    """A DA value; the separators of ACR-NEMA (`2024.01.31`) are understood."""
    match = _DATE.fullmatch(value.strip(" \0"))
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None


def format_date(value: date) -> str:
    """A DA value. Independent of the platform's strftime, which drops zeros of early years."""
    return f"{value.year:04d}{value.month:02d}{value.day:02d}"


def _shifted(value: date, offset: timedelta) -> date | None:
    try:
        return value + offset
    except OverflowError:
        return None


def shift_date(value: str, offset: timedelta) -> str | None:
    """A DA value shifted, `None` if it is malformed or leaves the calendar."""
    parsed = parse_date(value)
    shifted = _shifted(parsed, offset) if parsed else None
    return format_date(shifted) if shifted else None


def shift_date_time(value: str, offset: timedelta) -> str | None:
    """A DT value shifted, in its own precision: a year or month alone is shifted from its middle.

    Time of day, fraction and offset from UTC stay.
    """
    match = _DATE_TIME.fullmatch(value.strip(" \0"))
    if match is None:
        return None
    year, month, day, clock, zone = match.groups()
    try:
        parsed = date(int(year), int(month or 7), int(day or (15 if month else 1)))
    except ValueError:
        return None
    shifted = _shifted(parsed, offset)
    if shifted is None:
        return None
    digits = 8 if day else 6 if month else 4
    return format_date(shifted)[:digits] + (clock or "") + (zone or "")


def valid_time(value: str) -> str | None:
    """A TM value as it is, `None` if it is malformed."""
    value = value.strip(" \0")
    return value if _TIME.fullmatch(value) else None


def age_between(birth: date, day: date, unit: str) -> int | None:
    """Completed days, weeks, months or years (units of AS: D, W, M, Y) at a day."""
    if day < birth:
        return None
    if unit in "DW":
        return (day - birth).days // (7 if unit == "W" else 1)
    months = (day.year - birth.year) * 12 + day.month - birth.month - (day.day < birth.day)
    return months if unit == "M" else months // 12


def age_in_agreement(age: str, birth: date, day: date, offset: timedelta) -> str:
    """PatientAge for the shifted dates.

    Leap days can carry a shifted interval over a birthday. An age that was right for the original
    dates is right for the shifted ones; one that was not (rounded, from another date) stays.
    """
    match = _AGE.fullmatch(age.strip(" \0"))
    if match is None or age_between(birth, day, match[2]) != int(match[1]):
        return age
    shifted_birth, shifted_day = _shifted(birth, offset), _shifted(day, offset)
    if shifted_birth is None or shifted_day is None:
        return age
    shifted_age = age_between(shifted_birth, shifted_day, match[2])
    return age if shifted_age is None else f"{shifted_age:03d}{match[2]}"


OLDEST_TOLD_AGE = 89
"""Years; older ages are told as `AGE_OF_THE_OLDEST`."""
AGE_OF_THE_OLDEST = "090Y"


def years_of(age: str) -> int:
    """Completed years of an AS value, -1 if it is none."""
    match = _AGE.fullmatch(age.strip(" \0"))
    if match is None:
        return -1
    return int(match[1]) // {"D": 365, "W": 52, "M": 12, "Y": 1}[match[2]]

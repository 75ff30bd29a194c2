"""Dates as people and machines write them, found in folded text.

Numbers in any order between any separators, months by name in the languages of Europe, in Thai and
Arabic, dates of East Asia and of Japanese eras. A year alone is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import permutations

from .folding import fold

_MONTHS = (
    "january jan januar jaenner janner janvier janv gennaio gen enero ene janeiro januari stycznia "
    "styczen января январь янв ocak มกราคม يناير",
    "february feb februar feber fevrier fevr febbraio febrero fevereiro fev februari lutego luty "
    "февраля февраль фев subat กุมภาพันธ์ فبراير",
    "march mar maerz marz mrz mars marzo marco maart mrt marca marzec марта март mart มีนาคม مارس",
    "april apr avril avr aprile abril abr kwietnia kwiecien апреля апрель апр nisan เมษายน ابريل",
    "may mai maggio mag mayo maio mei maj maja мая май mayis พฤษภาคม مايو",
    "june jun juni juin giugno giu junio junho czerwca czerwiec июня июнь июн haziran มิถุนายน يونيو",
    "july jul juli juillet juil luglio lug julio julho lipca lipiec июля июль июл temmuz กรกฎาคม "
    "يوليو",
    "august aug aout agosto ago augustus augusti sierpnia sierpien августа август авг agustos "
    "สิงหาคม اغسطس",
    "september sept sep septembre settembre set septiembre setembro wrzesnia wrzesien сентября "
    "сентябрь сен eylul กันยายน سبتمبر",
    "october oct oktober okt octobre ottobre ott octubre outubro out pazdziernika pazdziernik "
    "октября октябрь окт ekim ตุลาคม اكتوبر",
    "november nov novembre noviembre novembro listopada listopad ноября ноябрь ноя kasim "
    "พฤศจิกายน نوفمبر",
    "december dec dezember dez decembre dicembre dic diciembre dezembro grudnia grudzien декабря "
    "декабрь дек aralik ธันวาคม ديسمبر",
)
_NUMBER_OF_MONTH = {
    fold(name).text: number for number, names in enumerate(_MONTHS, 1) for name in names.split()
}
_ROMAN = {
    name: number
    for number, name in enumerate(
        ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"], 1
    )
}
"""Months in central Europe."""

_ERAS = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
_ERA_LETTERS = dict(zip("mtshr", _ERAS.values(), strict=True))
_BUDDHIST_YEARS = 543


def _either(names: list[str]) -> str:
    ordered = sorted(map(re.escape, names), key=lambda name: (-len(name), name))
    return rf"(?<![^\W\d_])(?:{'|'.join(ordered)})(?![^\W\d_])"


_MONTH = _either(list(_NUMBER_OF_MONTH))
_LONG_MONTH = _either([name for name in _NUMBER_OF_MONTH if len(name) > 3])
_GLUED_MONTH = f"(?:{'|'.join(name for name in _NUMBER_OF_MONTH if name.isascii())})"
_YEAR = r"(?:1[6-9]|2[0-6])\d\d"
_ANY_YEAR = rf"(?:{_YEAR}|['’]?\d\d)(?!\d)"
_DAY = r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])(?!\d)(?:st|nd|rd|th|er|re|º|ª|a|o)?(?![^\W\d_])"
_DAY_ = r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])(?!\d)"
_GAP = r"[\s,./|_-]{0,4}"
_OF = rf"{_GAP}(?:(?:of|de|del|di|den)\b{_GAP})?"
_DD, _MM = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])"
_POINT = r"\s*[-./]\s*"
_OTHER = r"(?:\s*[-./,|_]\s*|\s+)"

_NUMBERS = re.compile(
    rf"""
    (?<!\d)\d{{4}}{_POINT}\d{{1,2}}{_POINT}\d{{1,2}}(?!\d)
    | (?<!\d)\d{{1,2}}{_POINT}\d{{1,2}}{_POINT}(?:\d{{4}}|\d{{2}})(?!\d)
    | (?<![^\W_])[mtshr]\d{{1,2}}([./-])\d{{1,2}}\1\d{{1,2}}(?![\d.])
    | {_DAY_}{_OTHER}{_DAY_}{_OTHER}{_YEAR}(?!\d)
    | (?<!\d){_YEAR}{_OTHER}{_DAY_}{_OTHER}{_DAY_}
    | {_DAY_}{_OTHER}(?:{"|".join(_ROMAN)}){_OTHER}{_YEAR}(?!\d)
    | (?<!\d){_YEAR}{_OTHER}(?:{"|".join(_ROMAN)}){_OTHER}{_DAY_}
    | {_DAY_}{_POINT}(?:{"|".join(_ROMAN)}){_POINT}\d\d(?!\d)
    | (?<!\d)\d\d{_POINT}(?:{"|".join(_ROMAN)}){_POINT}{_DAY_}
    | {_DAY_}(?:{"|".join(_ROMAN)}){_YEAR}(?!\d)
    | (?<!\d){_DD}{_OTHER}{_MM}{_OTHER}\d\d(?!\d)
    | (?<!\d){_MM}{_OTHER}{_DD}{_OTHER}\d\d(?!\d)
    | (?<!\d)\d\d{_OTHER}{_MM}{_OTHER}{_DD}(?!\d)
    | (?<!\d)(?:19|20)\d\d[-./]{_MM}(?!\d)
    | (?<!\d){_MM}[-./](?:19|20)\d\d(?!\d)
    | (?:(?:{"|".join(_ERAS)})\s*)?(?:\d{{1,4}}|元)\s*[年년]\s*
      \d{{1,2}}\s*[月월](?:\s*\d{{1,2}}\s*[日일])?
    | \d{{1,2}}\s*[月월]\s*\d{{1,2}}\s*[日일]
    """,
    re.VERBOSE,
)
_NAMES = re.compile(
    rf"""
    {_DAY}\.?{_OF}{_MONTH}\.?{_OF}{_ANY_YEAR}
    | (?<!\d)(?:0?[1-9]|[12]\d|3[01]){_GLUED_MONTH}{_ANY_YEAR}
    | (?<!\d)\d\d{_GLUED_MONTH}{_DD}(?!\d)
    | (?<!\d)\d\d{_GAP}{_MONTH}{_GAP}{_DD}(?!\d)
    | {_MONTH}\.?{_GAP}{_DAY}\.?{_OF}{_ANY_YEAR}
    | (?<!\d){_YEAR}{_GAP}{_MONTH}\.?(?:{_GAP}{_DAY})?
    | {_DAY}\.?{_OF}{_LONG_MONTH}
    | {_LONG_MONTH}\s*{_DAY}
    | \d(?:st|nd|rd|th|\.){_OF}{_MONTH}
    | {_MONTH}\.?{_OF}{_YEAR}(?!\d)
    """,
    re.VERBOSE,
)
_PARTS = re.compile(r"\d+|[^\W\d_]+")


def dates_in(folded: str) -> Iterator[tuple[int, int]]:
    """Start and end of what looks like a date."""
    if not any(character.isdigit() for character in folded):
        return
    for pattern in (_NUMBERS, _NAMES):
        for match in pattern.finditer(folded):
            yield match.span()


def reads_as(written: str, day: date) -> bool:
    """Whether a date that was found may mean a day, in any order and calendar it can be in."""
    parts = _PARTS.findall(written)
    numbers = [int(part) for part in parts if part.isdigit()]
    months = [_NUMBER_OF_MONTH[part] for part in parts if part in _NUMBER_OF_MONTH]
    months += [_ROMAN[part] for part in parts if part in _ROMAN]
    years = {day.year, day.year % 100, day.year + _BUDDHIST_YEARS}
    for era, start in (*_ERAS.items(), *_ERA_LETTERS.items()):
        if written.startswith(era):
            years.add(day.year - start)
    if months:
        numbers.insert(0, months[0])
    return len(numbers) == 3 and any(
        year in years and month == day.month and number == day.day
        for year, month, number in permutations(numbers)
    )


def lacks_year(written: str) -> bool:
    """Whether a month by name stands beside one plain number, neither a year nor an ordinal."""
    parts = _PARTS.findall(written)
    return (
        len(parts) == 2
        and any(part in _NUMBER_OF_MONTH for part in parts)
        and any(part.isdigit() and len(part) <= 2 for part in parts)
        and not re.search(r"\d\.", written)
    )


def month_and_day(written: str) -> tuple[int, int]:
    """Of a date that `lacks_year`."""
    parts = _PARTS.findall(written)
    (month,) = (_NUMBER_OF_MONTH[part] for part in parts if part in _NUMBER_OF_MONTH)
    (number,) = (int(part) for part in parts if part.isdigit())
    return month, number


def short_years(day: date) -> tuple[str, ...]:
    """Two digits or less of its year in each calendar: one of them stands in every notation."""
    eras = [day.year - start for start in _ERAS.values()]
    counted = {f"{day.year % 100:02d}", f"{(day.year + _BUDDHIST_YEARS) % 100:02d}"}
    return tuple(sorted(counted | {str(year) for year in eras if 0 < year < 100}))


def compact_forms(day: date) -> tuple[frozenset[str], frozenset[str]]:
    """A day in eight digits, and in six."""
    year, month, number = f"{day.year:04d}", f"{day.month:02d}", f"{day.day:02d}"
    eight = {year + month + number, number + month + year, month + number + year}
    short = year[2:]
    return frozenset(eight), frozenset(
        {short + month + number, number + month + short, month + number + short}
    )

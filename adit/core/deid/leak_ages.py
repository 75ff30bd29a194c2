"""Ages over 89 in text. A header tells them as `090Y` only (HIPAA, 45 CFR 164.514 (b)(2)(i)(C))."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

_OLDEST = 89
_NUMBER = r"(?:9\d|1[0-2]\d)"
_UNITS = (
    r"y|yo|y\.o|y/o|yrs?|years?|year(?:s)?[\W_]?old|ans|anni|anos|jahre?n?|j(?:a|ae)hrige?[rsn]?"
    r"|jaar|jarige?|ar|arig|let|lat|лет|лета|года?|vuotias|yasinda"
)
_WORDS = (
    r"aged?|alter|alter von|age de|agee? de|eta|edad|idade|leeftijd|wiek|ald(?:er|ern)|возраст"
    r"|patientenalter|patient[\W_]?age"
)
_TENS = (
    r"ninety(?:[\W_]?(?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:(?:ein|zwei|drei|vier|fu?e?nf|sechs|sieben|acht|neun)und)?neunzig"
    r"|quatre[\W_]vingt[\W_](?:dix|onze|douze|treize|quatorze|quinze|seize)(?:[\W_](?:sept|huit|neuf))?"
)
_OLD = re.compile(
    rf"(?<![\d.,])0?{_NUMBER}[\W_]{{0,2}}(?:{_UNITS})(?![^\W_])"
    rf"|(?<![^\W_])(?:{_WORDS})[\W_]{{1,3}}0?{_NUMBER}(?![.,]?\d|[^\W_])"
    rf"|(?<!\d){_NUMBER} ?[岁歳才세]"
    rf"|(?<![^\W_])(?:{_TENS})[\W_]{{0,2}}(?:years?|yrs?|jahre?n?|j(?:a|ae)hrige?[rsn]?|ans)(?![^\W_])"
    rf"|(?<![^\W_])(?:nonagenari(?:an|o|a)|centenari(?:an|o|a))(?![^\W_])"
)
_PERHAPS = re.compile(
    rb"(?:9\d|1[0-2]\d)[\W_]{0,2}[ajlvy]|(?:ag|lter|eta|dad|ftijd|iek)e?[nrd]?[a-z]{0,2}[\W_]"
    rb"|ninety|neunzig|vingt|enari",
    re.IGNORECASE,
)
_AGE = re.compile(rb"(\d{3})([DWMY])")


def is_old_age(value: bytes) -> bool:
    """Whether a value of VR AS tells an age beyond `090Y`, as which all over 89 are told."""
    return any(match[2] == b"Y" and int(match[1]) > _OLDEST + 1 for match in _AGE.finditer(value))


def may_be_old(births: Iterable[date], ages: Iterable[bytes], days: Iterable[date]) -> bool:
    """Whether a patient is over 89 at a study, or nothing tells the age.

    Args:
        births: Dates of birth that the source tells.
        ages: Values of PatientAge.
        days: Dates of the study.
    """
    years = [int(match[1]) if match[2] == b"Y" else 0 for age in ages if (match := _AGE.match(age))]
    years += [
        day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
        for birth in births
        for day in days
    ]
    return not years or max(years) > _OLDEST


def tells_old_age(folded: str) -> bool:
    """Whether folded text says that somebody is over 89."""
    return bool(_OLD.search(folded))


def may_tell_old_age(text: bytes) -> bool:
    """The same of ASCII as written, with errors on one side only."""
    return bool(_PERHAPS.search(text))

"""Attribute matching of C-FIND (PS3.4 C.2.2.2)."""

import re
from collections.abc import Sequence
from functools import lru_cache

from pydicom import DataElement
from pydicom.multival import MultiValue

WILDCARD_VRS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}


def values_of(element: DataElement | None) -> list[str]:
    """The values of an element as text; empty where there is none."""
    if element is None or element.value is None:
        return []
    value = element.value
    values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    return [str(item) for item in values if str(item) != ""]


def matches(key: DataElement, candidate: Sequence[str]) -> bool:
    """Whether one of the candidate's values matches the key.

    An empty key and a lone `*` match everything (universal matching), a UID key with several
    values matches any of them, dates and times match ranges, text matches wildcards; person names
    ignore case and match any of their component groups.
    """
    wanted = values_of(key)
    if not wanted or wanted == ["*"]:
        return True
    if key.VR in ("DA", "TM", "DT") and len(wanted) == 1:
        return any(_in_range(wanted[0], value, key.VR) for value in candidate)
    if key.VR == "PN":
        names = [group for value in candidate for group in [value, *_groups(value)]]
        patterns = [_pattern(name.rstrip("^="), ignore_case=True) for name in wanted]
        return any(pattern.fullmatch(name) for pattern in patterns for name in names)
    if key.VR in WILDCARD_VRS:
        patterns = [_pattern(item.strip(), ignore_case=False) for item in wanted]
        return any(pattern.fullmatch(value.strip()) for pattern in patterns for value in candidate)
    return any(item.strip() == value.strip() for item in wanted for value in candidate)


def _groups(name: str) -> list[str]:
    """The alphabetic, ideographic and phonetic group of a name, without empty components."""
    return [group.rstrip("^") for group in name.split("=") if group.rstrip("^")]


@lru_cache(maxsize=256)
def _pattern(text: str, *, ignore_case: bool) -> re.Pattern[str]:
    regex = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text)
    return re.compile(regex, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _in_range(wanted: str, value: str, vr: str) -> bool:
    """Single value and range matching of dates and times (PS3.4 C.2.2.2.1, C.2.2.2.5)."""
    low, dash, high = wanted.partition("-")
    if not dash:
        high = low
    start, end = _padded(low, vr, "0"), _padded(high, vr, "9")
    point = _padded(value, vr, "0")
    return (not low or start <= point) and (not high or point <= end)


def _padded(text: str, vr: str, fill: str) -> str:
    """A date or time with all its digits, so that text compares as moments do."""
    digits = text.replace(":", "").replace(".", "").strip()
    width = {"DA": 8, "TM": 12, "DT": 20}[vr]
    return digits.ljust(width, fill)[:width]

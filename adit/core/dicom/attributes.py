"""Answers of peers as plain text values, whether they came as a data set or as JSON.

Nothing here fails on a strange value: a number that is none, a date that is none, is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from .charsets import decode_text, encodings_of
from .header import read_elements
from .texts import one_line

_CHARACTER_SET_TAG = 0x00080005
_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_BINARY_INTEGERS = {"US": (2, False), "UL": (4, False), "SS": (2, True), "SL": (4, True)}
# An IS (PS3.5 6.2) holds no more, and neither do the columns of databases.
_INTEGERS = range(-(2**31), 2**31)
_DATE = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?")


def tag_of(keyword: str) -> int:
    """The tag of a keyword of the data dictionary (PS3.6)."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return tag


class Attributes:
    """One answer: values by keyword. `None` (or an empty tuple) means missing or empty.

    Texts are of one line and hold no control characters.

    Attributes:
        whole: False where it breaks off, or cannot be read behind what it holds.
    """

    def __init__(self, values: Mapping[int, tuple[str, ...]], *, whole: bool = True) -> None:
        self._values = values
        self.whole = whole

    def __bool__(self) -> bool:
        """Whether it holds anything at all."""
        return bool(self._values)

    def has(self, keyword: str) -> bool:
        """Whether the peer returned the attribute at all, be it empty."""
        return tag_of(keyword) in self._values

    def texts(self, keyword: str) -> tuple[str, ...]:
        """All values that are not empty."""
        return self._values.get(tag_of(keyword), ())

    def text(self, keyword: str) -> str | None:
        """The value; several are joined with a backslash."""
        return "\\".join(self.texts(keyword)) or None

    def uid(self, keyword: str) -> str:
        """A UID, or "" where it is missing."""
        values = self.texts(keyword)
        return values[0] if values else ""

    def integer(self, keyword: str) -> int | None:
        """The first value as an integer; "1.0" is 1, "1A" and what no IS can hold is None."""
        values = self.texts(keyword)
        return parse_integer(values[0]) if values else None

    def count(self, keyword: str) -> int | None:
        """Likewise a number of things, which is never negative."""
        number = self.integer(keyword)
        return None if number is None or number < 0 else number

    def date(self, keyword: str) -> date | None:
        """The first value as a date (DA, PS3.5 6.2), the old form with dots included."""
        values = self.texts(keyword)
        return parse_date(values[0]) if values else None

    def time(self, keyword: str) -> time | None:
        """The first value as a time (TM, PS3.5 6.2), fractions of a second included."""
        values = self.texts(keyword)
        return parse_time(values[0]) if values else None


def parse_integer(text: str) -> int | None:
    try:
        number = int(text)
    except ValueError:
        try:
            decimal = float(text)
        except ValueError:
            return None
        if not decimal.is_integer():
            return None
        number = int(decimal)
    return number if number in _INTEGERS else None


def parse_date(text: str) -> date | None:
    match = _DATE.fullmatch(text.strip())
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    microsecond = int((match[4] or "").ljust(6, "0"))
    try:
        # 60 is a leap second, which Python cannot express.
        second = min(int(match[3] or 0), 59)
        return time(int(match[1]), int(match[2] or 0), second, microsecond)
    except ValueError:
        return None


def from_data_set(data: bytes, transfer_syntax_uid: str, fallback: str) -> Attributes:
    """Reads an Identifier (PS3.4 C.4.1.1.3) as C-FIND returns it; sequences are left out.

    Args:
        data: The encoded Identifier, little endian.
        transfer_syntax_uid: Implicit or explicit VR.
        fallback: The character set of an answer that names none.
    """
    raw, whole = read_elements(data, transfer_syntax_uid)
    terms = raw.get(_CHARACTER_SET_TAG, ("CS", b""))[1].decode("ascii", "replace").split("\\")
    encodings = encodings_of(terms, fallback)
    values: dict[int, tuple[str, ...]] = {}
    for tag, (vr, value) in raw.items():
        if vr in ("", "UN"):
            # Some gateways write everything as UN (PS3.5 6.2.2).
            vr = _vr_of(tag)
        if vr in _BINARY_INTEGERS:
            size, signed = _BINARY_INTEGERS[vr]
            values[tag] = tuple(
                str(int.from_bytes(value[start : start + size], "little", signed=signed))
                for start in range(0, len(value) - size + 1, size)
            )
        elif vr in _TEXT_VRS:
            text = decode_text(value, encodings, person_name=vr == "PN")
            values[tag] = _split(text, multiple=vr not in ("LT", "ST", "UT"))
        else:
            values[tag] = _split(value.decode("ascii", "replace"), multiple=True)
    return Attributes(values, whole=whole)


def _vr_of(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _split(text: str, *, multiple: bool) -> tuple[str, ...]:
    parts = text.split("\\") if multiple else [text]
    return tuple(part for part in map(one_line, parts) if part)


def from_json(answer: Mapping[str, Any]) -> Attributes:
    """Reads one result of QIDO-RS in the DICOM JSON Model (PS3.18 F.2); sequences are left out."""
    values: dict[int, tuple[str, ...]] = {}
    for key, element in answer.items():
        try:
            tag = int(key, 16)
        except ValueError:
            continue
        if not isinstance(element, Mapping) or element.get("vr") == "SQ":
            continue
        found = element.get("Value")
        texts = (_json_text(value) for value in (found if isinstance(found, list) else ()))
        values[tag] = tuple(text for text in texts if text)
    return Attributes(values)


def _json_text(value: Any) -> str:
    """A value, or the groups of a person name (PS3.18 F.2.2), which hold texts and nothing more."""
    if isinstance(value, Mapping):
        groups = [_json_scalar(value.get(k)) for k in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=").strip()
    return _json_scalar(value)


def _json_scalar(value: Any) -> str:
    return one_line(str(value)) if isinstance(value, (str, int, float)) else ""

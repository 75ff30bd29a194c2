"""Encodes the value of a replacement as its VR asks (PS3.5 6.2)."""

from __future__ import annotations

import re
import struct

_NUMBERS = {
    b"FL": "f",
    b"FD": "d",
    b"SS": "h",
    b"SL": "l",
    b"SV": "q",
    b"US": "H",
    b"UL": "L",
    b"UV": "Q",
}
_FORMS = {
    b"AS": (re.compile(r"\d{3}[DWMY]"), "an age like 045Y"),
    b"CS": (re.compile(r"[A-Z0-9_ ]{1,16}"), "up to 16 capitals, digits, spaces and underscores"),
    b"DA": (re.compile(r"\d{8}"), "a date like 20240131"),
    b"DS": (re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?", re.IGNORECASE), "a decimal number"),
    b"DT": (re.compile(r"\d{4,14}(\.\d{1,6})?([+-]\d{4})?"), "a moment like 20240131121500"),
    b"IS": (re.compile(r"[+-]?\d{1,11}"), "a whole number"),
    b"TM": (re.compile(r"\d{2,6}(\.\d{1,6})?"), "a time like 121500"),
    b"UI": (re.compile(r"[0-9.]{1,64}"), "a UID"),
}
_LENGTHS = {b"AE": 16, b"LO": 64, b"SH": 16, b"PN": 64, b"ST": 1024, b"LT": 10240}


def replacement_bytes(vr: bytes, value: str, order: str = "<") -> bytes:
    """The value of an element; several values stand apart by backslashes.

    Raises:
        ValueError: The value does not fit the VR; one sentence that names the field `value`.
    """
    if vr in _NUMBERS:
        try:
            numbers = [
                float(part) if vr in (b"FL", b"FD") else int(part) for part in value.split("\\")
            ]
            return struct.pack(f"{order}{len(numbers)}{_NUMBERS[vr]}", *numbers)
        except (ValueError, struct.error, OverflowError):
            raise ValueError(f"value: {vr.decode()} needs a number in its range.") from None
    if vr in _FORMS:
        form, words = _FORMS[vr]
        if value and not all(form.fullmatch(part) for part in value.split("\\")):
            raise ValueError(f"value: {vr.decode()} needs {words}.")
        return value.encode("ascii")
    if vr in _LENGTHS:
        parts = [value] if vr in (b"ST", b"LT") else value.split("\\")
        if any(len(part) > _LENGTHS[vr] for part in parts):
            raise ValueError(f"value: {vr.decode()} has up to {_LENGTHS[vr]} characters.")
    elif vr not in (b"UC", b"UR", b"UT"):
        raise ValueError(f"value: bytes ({vr.decode()}) cannot be replaced by text.")
    if any(ord(character) < 32 and character not in "\r\n\t\f" for character in value):
        raise ValueError("value: control characters are not allowed.")
    return value.encode("utf-8")

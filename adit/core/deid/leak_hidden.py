"""Identifiers that do not stand as they are: in Base64, in hexadecimal, backwards, one character a
number, or with the two bytes of each word swapped.

Nothing is decoded: what an identifier looks like in such a form is searched for. In Base64 (RFC
4648, also the alphabet of URLs) a text has three looks, by where it begins; its first and last
characters depend on their neighbours and are left out. Names count from five letters on, ids from
six characters on, so that no chance makes them.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import date

from .leak_escapes import written_part
from .leak_spelling import foldings, words_of
from .leak_vocabulary import COMMON_WORDS
from .report import FindingKind

_SHORTEST_NAME, _SHORTEST_ID, _INSIDE_WORDS = 5, 6, 6
_OF_URLS = bytes.maketrans(b"-_", b"+/")
_BREAKS = b"\r\n\0"
_SHORTEST_HEX, _SHORTEST_BASE64, _LONG = 10, 6, 1000
_RUN_OF_BASE64 = re.compile(rb"[A-Za-z0-9+/]{6,}")
_RUN_OF_HEX = re.compile(rb"[0-9a-f]{10,}")
_SIZES = {
    **dict.fromkeys((b"US", b"SS"), 2),
    **dict.fromkeys((b"UL", b"SL", b"OL"), 4),
    **dict.fromkeys((b"UV", b"SV", b"OV"), 8),
    **dict.fromkeys((b"OB", b"UN"), 1),
}
_OF_WORDS = frozenset({b"OB", b"OW", b"UN"})
_BETWEEN_HEX = b"\t\r\n -:_,;.%\\"


_Plain = dict[bytes, FindingKind]
"""Text as it stands, in small letters."""


class Hidden:
    """Collects forms of identifiers, and finds them in bytes."""

    def __init__(self) -> None:
        self._base64: dict[bytes, FindingKind] = {}
        self._hex: dict[bytes, FindingKind] = {}
        self._begins: dict[int, set[bytes]] = {}
        self._backwards: _Plain = {}
        self._forwards: _Plain = {}

    def add_names(self, texts: Iterable[str], kind: FindingKind) -> None:
        """Words of names of persons."""
        for text in texts:
            for word in words_of(text):
                if len(word) < _SHORTEST_NAME:
                    continue
                for form in {word, word.lower(), word.upper(), word.title()}:
                    self._add_encoded(form, kind)
                folded = foldings(word)[0]
                backwards = folded[::-1]
                if backwards != folded and backwards not in COMMON_WORDS:
                    _add(self._backwards, backwards, kind)
                if folded not in COMMON_WORDS:
                    _add(self._forwards, folded, kind)

    def add_ids(self, texts: Iterable[str], kind: FindingKind) -> None:
        """Ids of six characters and more, folded."""
        for text in texts:
            core = re.sub(r"[\W_]", "", text)
            if len(core) < _SHORTEST_ID or core in COMMON_WORDS:
                continue
            for form in {text, text.upper(), core, core.upper()}:
                self._add_encoded(form, kind)
            for form in {text, core}:
                _add(self._forwards, form, kind)
            for form in {text[::-1], core[::-1]} - {text, core}:
                _add(self._backwards, form, kind)

    def add_births(self, days: Iterable[date]) -> None:
        """Dates of birth in the usual orders and separators."""
        for day in days:
            year, month, number = f"{day.year:04d}", f"{day.month:02d}", f"{day.day:02d}"
            for parts in ((year, month, number), (number, month, year), (month, number, year)):
                for separator in ("", "-", ".", "/"):
                    self._add_encoded(separator.join(parts), FindingKind.BIRTH_DATE)
                written = "".join(parts)
                _add(self._forwards, written, FindingKind.BIRTH_DATE)
                if written[::-1] != written:
                    _add(self._backwards, written[::-1], FindingKind.BIRTH_DATE)

    def _add_encoded(self, text: str, kind: FindingKind) -> None:
        encodings = ("utf-8", "utf-16-le") if text.isascii() else ("utf-8", "latin-1", "utf-16-le")
        for encoding in encodings:
            try:
                data = text.encode(encoding)
            except UnicodeEncodeError:
                continue
            self._hex[data.hex().encode()] = kind
            for before in range(3):
                # Bits of the neighbours are in the characters that are cut off at both ends.
                encoded = b64encode(bytes(before) + data).rstrip(b"=")
                start = -(-before * 8 // 6)
                end = (before + len(data)) * 8 // 6
                self._base64[encoded[start:end]] = kind

    def spelled_in(self, data: bytes, vr: bytes, big: bool) -> set[FindingKind]:
        """Kinds of what an array of numbers spells, or bytes of swapped words do."""
        kinds: set[FindingKind] = set()
        if spelled := _spelled(data, vr, big):
            kinds |= _found(self._forwards, spelled)
        if vr in _OF_WORDS:
            swapped = bytearray(data[: len(data) & ~1])
            swapped[::2], swapped[1::2] = swapped[1::2], swapped[::2]
            kinds |= _found(self._forwards, bytes(swapped).lower())
        return kinds

    def found_in(self, data: bytes) -> set[FindingKind]:
        """Kinds of what is hidden in bytes or text as it is encoded."""
        data = written_part(data.translate(None, b"\0"))
        plain = data.lower()
        kinds = _found(self._backwards, plain)
        unspaced = plain.replace(b"0x", b"").translate(None, _BETWEEN_HEX)
        runs = b"\n".join(_RUN_OF_HEX.findall(unspaced))
        if runs and self._may_hold(runs, self._hex, _SHORTEST_HEX):
            kinds |= {kind for form, kind in self._hex.items() if form in runs}
        runs = b"\n".join(_RUN_OF_BASE64.findall(data.translate(_OF_URLS, _BREAKS)))
        if runs and self._may_hold(runs, self._base64, _SHORTEST_BASE64):
            kinds |= {kind for form, kind in self._base64.items() if form in runs}
        return kinds

    def _may_hold(self, runs: bytes, forms: dict[bytes, FindingKind], length: int) -> bool:
        """Whether one of the forms may be in there, by how they begin; quick for short runs."""
        if len(runs) > _LONG:
            return True
        begins = self._begins.get(length)
        if begins is None:
            begins = self._begins[length] = {form[:length] for form in forms}
        return not begins.isdisjoint(runs[i : i + length] for i in range(len(runs) - length + 1))


def _add(to: _Plain, text: str, kind: FindingKind) -> None:
    if text.isascii():
        to[text.encode()] = kind


def _found(forms: _Plain, plain: bytes) -> set[FindingKind]:
    return {kind for text, kind in forms.items() if text in plain and _stands_alone(text, plain)}


def _stands_alone(text: bytes, plain: bytes) -> bool:
    """Whether a number adjoins no digit, and a short word no letter, somewhere in there."""
    escaped = re.escape(text)
    if text.isdigit():
        escaped = rb"(?<!\d)" + escaped + rb"(?!\d)"
    elif text.isalpha() and len(text) < _INSIDE_WORDS:
        escaped = rb"(?<![a-z])" + escaped + rb"(?![a-z])"
    return bool(re.search(escaped, plain))


def _spelled(data: bytes, vr: bytes, big: bool) -> bytes:
    """The text whose characters, or whose digits, are the values of an array; else nothing."""
    if vr == b"IS":
        parts = data.strip(b" \0").split(b"\\")
        if len(parts) < _SHORTEST_ID or any(len(part.strip()) > 3 for part in parts):
            return b""
        numbers = [int(part) if part.strip().isdigit() else 256 for part in parts]
        codes = bytes(numbers) if max(numbers) < 256 else b""
    else:
        size = _SIZES.get(vr)
        if size is None or len(data) < size * _SHORTEST_ID or len(data) % size:
            return b""
        codes = data[size - 1 if big else 0 :: size]
        if data.count(0) != len(data) - len(codes) + codes.count(0):  # what lies beside is no zero
            return b""
    if codes and max(codes) < 10:
        return bytes(code + 48 for code in codes)
    return codes.lower() if codes.isascii() else b""

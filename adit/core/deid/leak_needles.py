"""Byte strings of which one is in a header if an identifier is, in any encoding."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from .leak_encodings import likely_encodings, scrambled
from .leak_readings import ESCAPE
from .leak_spelling import foldings, kana_forms

_NO_LETTER = bytes(n for n in range(128) if not chr(n).isalnum())
_MANY, _BEGIN = 400, 10
_OF_FOREIGN_SEPARATORS = bytes((0x80, *range(0x90, 0x96), 0xA0, 0xAD, 0xAF, 0xC2, 0xE2))
"""Bytes of no-break spaces, soft hyphens and dashes in Latin-1 and UTF-8."""

_BESIDE_ASCII = _NO_LETTER + _OF_FOREIGN_SEPARATORS
_SEPARATORS = b"\0\t\r\n ^\\=-_.,;:'/()|"


def squeezed_text(data: bytes) -> bytes:
    """ASCII in small letters, letters and digits only.

    What is split, spaced or written in UTF-16 becomes plain.
    """
    return data.lower().translate(None, _BESIDE_ASCII)


def squeezed_bytes(data: bytes) -> bytes:
    """Text in any other encoding, in small letters as far as they are of ASCII."""
    return data.lower().translate(None, _SEPARATORS)


def has_any(squeezed: bytes, needles: tuple[bytes, ...]) -> bool:
    """Whether one of the needles is in there. Many are sought by how they begin."""
    if len(needles) > _MANY:
        return any(
            needle in squeezed
            for length, begins in _by_begin(needles).items()
            for begin in begins.keys()
            & {squeezed[at : at + length] for at in range(len(squeezed) - length + 1)}
            for needle in begins[begin]
        )
    for needle in needles:  # noqa: SIM110  a generator costs more than the search
        if needle in squeezed:
            return True
    return False


@lru_cache(maxsize=8)
def _by_begin(needles: tuple[bytes, ...]) -> dict[int, dict[bytes, list[bytes]]]:
    found: dict[int, dict[bytes, list[bytes]]] = {}
    for needle in needles:
        begin = needle[:_BEGIN]
        found.setdefault(len(begin), {}).setdefault(begin, []).append(needle)
    return found


class Needles:
    """Collects byte strings, squeezed."""

    def __init__(self, encodings: list[str]) -> None:
        self._encodings = encodings
        self._in_text: set[bytes] = set()
        self._in_bytes: set[bytes] = set()

    def add(self, text: str) -> None:
        """A text in the encodings that can hold it and may have been used."""
        for folded in {text, *foldings(text)}:
            if folded.isascii():
                self._in_text.add(squeezed_text(folded.encode()))
        if text.isascii():
            return
        composed = unicodedata.normalize("NFC", text)
        wide = unicodedata.normalize("NFKC", text)
        cases = {text, composed, wide, wide.lower(), wide.upper(), wide.title()} | kana_forms(wide)
        forms = cases | {unicodedata.normalize("NFD", form) for form in cases}
        encodings = {*self._encodings, *likely_encodings([wide]), "utf-16-le", "utf-16-be"}
        for form in forms:
            for encoding in encodings:
                try:
                    data = ESCAPE.sub(b"", form.encode(encoding))
                except (UnicodeEncodeError, LookupError):
                    continue
                self._in_bytes.add(squeezed_bytes(data))
        for form in cases:
            self._in_bytes |= {squeezed_bytes(data) for data in scrambled(form)}

    def in_text(self) -> tuple[bytes, ...]:
        """For ASCII, to be searched for in `squeezed_text`."""
        return _fewest(self._in_text)

    def in_bytes(self) -> tuple[bytes, ...]:
        """For other encodings, to be searched for in `squeezed_bytes`."""
        return _fewest(self._in_bytes)


def _fewest(needles: set[bytes]) -> tuple[bytes, ...]:
    kept: dict[bytes, None] = {}
    lengths: set[int] = set()
    for needle in sorted(needles - {b""}, key=len):
        shorter = (
            needle[at : at + length] for length in lengths for at in range(len(needle) - length + 1)
        )
        if kept.keys().isdisjoint(shorter):  # else the longer one says nothing more
            kept[needle] = None
            lengths.add(len(needle))
    return tuple(kept)

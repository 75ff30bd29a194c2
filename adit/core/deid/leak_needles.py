"""Byte strings of which one is in a header if an identifier is, in any encoding."""

from __future__ import annotations

from .leak_readings import ESCAPE
from .leak_spelling import is_ideographic

_OF_IDEOGRAPHS = ("shift_jis", "iso2022_jp", "euc_kr", "gb18030")
_OF_ALPHABETS = ("iso8859_2", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9")

SEPARATORS = b"\0 ^\\=-_.,;:'/()"
"""Dropped before bytes are searched: what is split, spaced or written in UTF-16 becomes plain."""


class Needles:
    """Collects byte strings in small letters, without separators."""

    def __init__(self, encodings: list[str]) -> None:
        self._encodings = encodings
        self._found: dict[bytes, None] = {}

    def add(self, text: str) -> None:
        """A text in the encodings that can hold it and may have been used."""
        if text.isascii():
            self._enter(text.encode())
            return
        likely = [*self._encodings, "utf-16-le", "utf-16-be"]
        likely += _OF_IDEOGRAPHS if is_ideographic(text[0]) else _OF_ALPHABETS
        for form in {text, text.lower(), text.upper(), text.title()}:
            for encoding in likely:
                try:
                    self._enter(ESCAPE.sub(b"", form.encode(encoding)))
                except (UnicodeEncodeError, LookupError):
                    continue

    def _enter(self, data: bytes) -> None:
        self._found[data.lower().translate(None, SEPARATORS)] = None

    def all(self) -> tuple[bytes, ...]:
        self._found.pop(b"", None)
        ordered = sorted(self._found, key=len)
        kept: list[bytes] = []
        for needle in ordered:  # a longer needle says nothing that one within it does not
            if not any(shorter in needle for shorter in kept):
                kept.append(needle)
        return tuple(kept)

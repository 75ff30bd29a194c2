"""Words that mix letters of two scripts which look alike, as keyboards of two layouts make them."""

from __future__ import annotations

import re

_LATIN = "aeopcyxikmhtbABCEHIKMOPTXY"
_CYRILLIC = "аеорсухікмнтвАВСЕНІКМОРТХУ"
_GREEK = "αεορϲγχικμητβΑΒϹΕΗΙΚΜΟΡΤΧΥ"
_TO_LATIN = str.maketrans(_CYRILLIC + _GREEK, _LATIN * 2)
_TO_CYRILLIC = str.maketrans(_LATIN, _CYRILLIC)
_TO_GREEK = str.maketrans(_LATIN, _GREEK)
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = [
    re.compile(letters)
    for letters in ("[A-Za-z\u00c0-\u024f]", "[\u0400-\u04ff]", "[\u0370-\u03ff]")
]


def unmixed(text: str) -> list[str]:
    """The text with its mixed words in one script, of the same length; none if none are mixed."""
    if text.isascii():
        return []
    readings: dict[str, None] = {}
    for table in (_TO_LATIN, _TO_CYRILLIC, _TO_GREEK):
        reading = _WORD.sub(lambda match, table=table: _in_one(match[0], table), text)
        if reading != text:
            readings[reading] = None
    return list(readings)


def _in_one(word: str, table: dict[int, int]) -> str:
    mixed = sum(bool(script.search(word)) for script in _SCRIPTS) > 1
    return word.translate(table) if mixed else word

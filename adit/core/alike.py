"""Names that people take for the same although their characters differ."""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii

_LATIN = "aeopcyxikmhtbsjdvnglr"
_CYRILLIC = "аеорсухікмнтвѕјԁѵпԍӏг"
_GREEK = "αεορϲγχικμητβ"
_TO_LATIN = str.maketrans(_CYRILLIC + _GREEK, _LATIN + _LATIN[: len(_GREEK)])
_TO_LETTERS = str.maketrans("10", "lo")
_CAPITALS_ALIKE = str.maketrans("ІΙI|", "llll")
_BETWEEN = re.compile(r"[\s_\-‐-―−.,·'’]+")


def looks_like(name: str) -> str:
    """What a name looks like: equal for names that differ in case, width, accents, separators, in
    letters of other scripts of the same shape, and in `1`, `l` and `I` or `0` and `O`."""
    shaped = unicodedata.normalize("NFKC", name).translate(_CAPITALS_ALIKE).casefold()
    latin = anyascii(shaped.translate(_TO_LATIN)).casefold()
    return _BETWEEN.sub("", latin).translate(_TO_LETTERS).replace("i", "l")

"""Ways to write one word: cases, accents, umlauts."""

from __future__ import annotations

import re
import unicodedata

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th"})
_WRITTEN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"})


def foldings(text: str) -> tuple[str, str]:
    """Text in small letters: without accents, and with umlauts written out."""
    lowered = unicodedata.normalize("NFC", text).casefold()
    if lowered.isascii():
        return lowered, lowered
    return _without_accents(lowered), _without_accents(lowered.translate(_WRITTEN))


def _without_accents(text: str) -> str:
    letters = [c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)]
    return unicodedata.normalize("NFC", "".join(letters)).translate(_LETTERS)


def is_ideographic(word: str) -> bool:
    """Whether the script of a word knows no small letters."""
    return not word.isascii() and word.lower() == word.upper()


def spellings_of(word: str) -> frozenset[str]:
    """Folded spellings of a part of a name: Müller is Muller, Mueller and müller."""
    return frozenset(form for written in written_forms(word) for form in foldings(written))


def written_forms(word: str) -> tuple[str, str, str]:
    """As it stands, with umlauts contracted, with a sharp s."""
    lowered = word.lower()
    contracted = lowered.replace("ae", "ä").replace("oe", "ö").replace("ue", "ü")
    return word, contracted, lowered.replace("ss", "ß")


def plain_words(text: str) -> str:
    """Letters and digits, everything between them one space."""
    return re.sub(r"[\W_]+", " ", text).strip()

"""Text as it is compared: without case, accents, widths and unseen characters (Unicode NFKD).

`MÜLLER`, `Mu\u0308ller` and the full-width `Ｍüller` fold to `muller`; hiragana and half-width
katakana to katakana; every dash to `-`, every space to a space, digits of all scripts to ASCII.
Signs that carry a vowel (Thai, Devanagari) stay: without them other words would be alike.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_UMLAUTS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("å", "aa"), ("ø", "oe"))
_UNSEEN = re.compile(r"[\0-\x08\x0b\x0e-\x1f\x7f]")
_NO_WORD = re.compile(r"[\W_]+")
_LINE_ENDS = "\t\n\r\f"


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text.

    Attributes:
        text: To search in.
        origins: Index in the original of each character; `None` if they are the same.
        length: Of the original.
    """

    text: str
    origins: list[int] | None
    length: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the folded text stands in the original, with its accents."""
        if self.origins is None:
            return start, end
        stop = self.origins[end] if end < len(self.origins) else self.length
        return self.origins[start], max(stop, self.origins[end - 1] + 1)


@cache
def _fold_character(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not of the declared character set
        character = chr(code - 0xDC00)
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:  # variants of a sign
        return ""
    folded = []
    for part in unicodedata.normalize("NFKD", character).casefold():
        category = unicodedata.category(part)
        if unicodedata.combining(part) or (category in ("Cc", "Cf") and part not in _LINE_ENDS):
            continue
        if category == "Pd":
            part = "-"
        elif category == "Zs":
            part = " "
        elif category == "Nd":
            part = str(unicodedata.digit(part))
        elif "ぁ" <= part <= "ゖ":
            part = chr(ord(part) + 0x60)
        folded.append(part)
    return unicodedata.normalize("NFC", "".join(folded)).translate(_LETTERS)


def fold(text: str) -> Folded:
    """Folds a text in the form NFC; the places of its characters are remembered."""
    if text.isascii() and not _UNSEEN.search(text):
        return Folded(text.lower(), None, len(text))
    pieces, origins = [], []
    for index, character in enumerate(text):
        piece = _fold_character(character)
        pieces.append(piece)
        origins += [index] * len(piece)
    return Folded("".join(pieces), origins, len(text))


@cache
def is_of_word(character: str) -> bool:
    """Letters and digits, and the signs of vowels that stand between them."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def squeezed(folded: str) -> str:
    """The letters and digits of a folded text."""
    if folded.isascii():
        return _NO_WORD.sub("", folded)
    return "".join(filter(is_of_word, folded))


def words(text: str) -> list[str]:
    """Words of a text in any script, as they are written; an apostrophe is part of a word."""
    if text.isascii():
        return re.findall(r"[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*", text)
    spaced = "".join(
        character if is_of_word(character) or character in "'’" else " "
        for character in unicodedata.normalize("NFC", text)
    )
    return [word for part in spaced.split() if (word := part.strip("'’"))]


def spellings(word: str) -> set[str]:
    """The folded ways to write a word, with umlauts written out and contracted.

    `Müller` is `muller` and `mueller`; what was read in the wrong one of UTF-8 and Latin-1 is
    told as well, since peers mix them up.
    """
    lower = unicodedata.normalize("NFC", word.lower())
    written_out, contracted = lower, lower
    for letter, letters in _UMLAUTS:
        written_out = written_out.replace(letter, letters)
        contracted = contracted.replace(letters, letter)
    ways = {lower, written_out, contracted}
    if not word.isascii():
        composed = unicodedata.normalize("NFC", word).encode("utf-8", "surrogateescape")
        ways |= {composed.decode("latin-1"), composed.decode("cp1252", "replace")}
    return {found for way in ways if (found := squeezed(fold(way).text))}


def is_unspaced(word: str) -> bool:
    """Whether the script writes no spaces between words (Thai to Khmer, kana, ideographs)."""
    return not word.isascii() and any(
        0x0E00 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
        or 0x2E80 <= code <= 0x9FFF
        or 0xAC00 <= code <= 0xD7AF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
        for code in map(ord, word)
    )

"""Takes identifiers out of free text and keeps the rest (PS3.15 E.3.5, Clean Descriptors).

Of this patient and study: names, ids, accession numbers, dates of birth, addresses, and names of
other persons and institutions that stand in the object. In descriptors also what looks like an
identifier of anybody: dates, long numbers, e-mail addresses, UIDs, persons with a title.
The rest stays, so that protocols and series can still be told apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date

_PATTERNS = re.compile(
    r"""
    [\w.+-]+@[\w-]+(?:\.[\w-]+)+                                  # e-mail address
    | \b\d+(?:\.\d+){4,}\b                                         # UID
    | \b(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d{2}))\b   # date
    | \d[\d\s/().-]{6,}\d(?=\D|$)                                  # phone or id in groups
    | \d{5,}                                                       # long number
    | \b(?:Dr|Prof|Mr|Mrs|Ms|Herr|Frau)\b\.?\s*(?:med\.\s*)?(?:[^\W\d_][\w'-]*)?  # with a title
    """,
    re.VERBOSE,
)
_SPACES = re.compile(r"[ \t]{2,}")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_DOUBLE_NAME = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)+")
_UMLAUTS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("å", "aa"), ("ø", "oe"))
_NO_ACCENT = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i"})
_SUBSTRING_LENGTH = 6  # from here on a name part is recognised inside a longer word


def spellings(word: str) -> set[str]:
    """A word with and without accents, and with umlauts written out and contracted.

    `Mueller` is also `müller` and `muller`.
    """
    word = unicodedata.normalize("NFC", word.lower())
    written_out, contracted = word, word
    for letter, letters in _UMLAUTS:
        written_out = written_out.replace(letter, letters)
        contracted = contracted.replace(letters, letter)
    return {word, written_out, contracted, _plain(word), _plain(contracted)}


def _plain(word: str) -> str:
    letters = unicodedata.normalize("NFD", word)
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", kept).translate(_NO_ACCENT)


def name_words(name: str) -> set[str]:
    """Words of a person name (PN) that identify: three letters, or two ideographs.

    Double names come whole and in parts.
    """
    found = set()
    for word in (*_WORD.findall(name), *_DOUBLE_NAME.findall(name)):
        if len(word) >= 3 or (len(word) == 2 and not word.isascii() and word.isalpha()):
            found.add(word)
    return found


def date_forms(day: date) -> set[str]:
    """A date as people and machines write it."""
    year, month, number = f"{day.year:04d}", day.month, day.day
    forms = {f"{year}{month:02d}{number:02d}", f"{number:02d}{month:02d}{year}"}
    forms.add(f"{month:02d}{number:02d}{year}")
    for separator in "-./ ":
        for first, second in ((month, number), (number, month)):
            for parts in ((f"{first:02d}", f"{second:02d}"), (str(first), str(second))):
                forms.add(separator.join((year, *parts)))
                forms.add(separator.join((*parts, year)))
                forms.add(separator.join((*parts, year[2:])))
    return forms


class Cleaner:
    """Cleans texts of one patient and study."""

    def __init__(
        self,
        *,
        names: Iterable[str],
        identifiers: Iterable[str],
        birth_date: date | None,
    ) -> None:
        alternatives: set[str] = set()
        for name in names:
            for word in name_words(name):
                for spelling in spellings(word):
                    pattern = re.escape(spelling)
                    ideographs = not spelling.isascii() and len(spelling) <= 4
                    if len(spelling) < _SUBSTRING_LENGTH and not (
                        ideographs and spelling.lower() == spelling.upper()
                    ):
                        pattern = rf"(?<![^\W\d_]){pattern}(?![^\W\d_])"
                    alternatives.add(pattern)
        values = {value.strip() for value in identifiers}
        if birth_date is not None:
            values |= date_forms(birth_date)
        for value in values:
            if len(value) >= 3:
                zeros = "0*" if value.isdigit() else ""
                alternatives.add(rf"(?<![^\W_]){zeros}{re.escape(value)}(?![^\W_])")
                if value.isdigit() and len(value.lstrip("0")) >= _SUBSTRING_LENGTH - 1:
                    alternatives.add(rf"(?<![^\W_]){zeros}{value.lstrip('0')}(?![^\W_])")
                if len(value) >= _SUBSTRING_LENGTH:
                    alternatives.add(re.escape(value))
        ordered = sorted(alternatives, key=lambda pattern: (-len(pattern), pattern))
        self._own = re.compile("|".join(ordered), re.IGNORECASE) if ordered else None

    def clean(self, text: str, descriptor: bool) -> str:
        """Text without identifiers; the same text if there are none.

        Args:
            text: Decoded value; values of a multi-valued element stay apart.
            descriptor: Whether also what looks like an identifier of anybody goes.
        """
        normal = unicodedata.normalize("NFC", text)
        cleaned = self._own.sub("", normal) if self._own else normal
        if descriptor:
            cleaned = _PATTERNS.sub("", cleaned)
        if cleaned == normal:
            return text
        return "\\".join(_SPACES.sub(" ", part).strip(" ,;:-_^=") for part in cleaned.split("\\"))

"""Ways to write one word: cases, accents, umlauts, widths and kinds of kana.

A word is a run of letters of any script with the marks that belong to them: Thai and Devanagari
vowels, accents that stand apart from their letter (NFD).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache

_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th"}
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"}
_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
_INVISIBLE = dict.fromkeys(
    (0xAD, 0x34F, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF)
)
"""Soft hyphen, zero-width and direction characters: nobody sees them, so they part no word."""


class _BareCharacters(dict[int, int | str | None]):
    """For `str.translate`: no accents, and digits of any script as ours; filled by use."""

    def __missing__(self, number: int) -> int | str | None:
        character = chr(number)
        if unicodedata.combining(character):
            bare = None
        elif character.isdecimal():
            bare = str(unicodedata.digit(character))
        else:
            bare = number
        self[number] = bare
        return bare


_BARE = _BareCharacters()
_BEYOND_ALPHABETS = 0x11800


def _characters(belongs: Callable[[str], object]) -> str:
    """Those of an alphabet, as ranges for a character class."""
    ranges: list[list[int]] = []
    for number in range(0x300, _BEYOND_ALPHABETS):
        if belongs(chr(number)):
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_characters(_is_mark)}])*")

# `str.translate` looks up each character; what can be left out or replaced without is done so,
# many times faster.
_TO_LEAVE_OUT = re.compile(f"[{''.join(map(chr, _INVISIBLE))}]")
_ACCENT = re.compile(f"[{_characters(unicodedata.combining)}]")
_OTHER_TO_BARE = re.compile(f"[{_characters(str.isdecimal)}{chr(_BEYOND_ALPHABETS)}-\U0010ffff]")
_KATAKANA = re.compile(f"[{''.join(map(chr, _HIRAGANA))}]")


def _written(text: str) -> str:
    for letter, letters in _UMLAUTS.items():
        text = text.replace(letter, letters)
    return text


def _plain(text: str) -> str:
    for letter, letters in _LETTERS.items():
        text = text.replace(letter, letters)
    return text.translate(_HIRAGANA) if _KATAKANA.search(text) else text


def _bare(text: str) -> str:
    return text.translate(_BARE) if _OTHER_TO_BARE.search(text) else _ACCENT.sub("", text)


def words_of(text: str) -> list[str]:
    """Words of letters and their marks, composed, of any script."""
    return _WORD.findall(_TO_LEAVE_OUT.sub("", unicodedata.normalize("NFKC", text)))


def foldings(text: str) -> tuple[str, str]:
    """Text in small letters: without accents, and with umlauts written out.

    Wide and narrow forms become plain ones, katakana becomes hiragana.
    """
    if text.isascii():
        lowered = text.lower()
        return lowered, lowered
    lowered = _TO_LEAVE_OUT.sub("", unicodedata.normalize("NFKC", text)).casefold()
    folded, written = _without_accents(lowered), _written(lowered)
    return folded, folded if written == lowered else _without_accents(written)


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    letters = _bare(unicodedata.normalize("NFD", text))
    return _plain(unicodedata.normalize("NFC", letters))


def is_caseless(word: str) -> bool:
    """Whether the script of a word knows no small letters."""
    return not word.isascii() and word.lower() == word.upper()


def is_ideographic(word: str) -> bool:
    """Whether a word is of Chinese characters or Hangul syllables: two of them are a name."""
    return bool(word) and all(
        "\u3400" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7a3" or "\uf900" <= c <= "\ufaff"
        for c in word
    )


def kana_forms(word: str) -> frozenset[str]:
    """A word of kana as hiragana, as katakana and as narrow katakana; else the word alone."""
    wide = unicodedata.normalize("NFKC", word)
    if not any("\u3041" <= c <= "\u30ff" for c in wide):
        return frozenset({word})
    katakana = wide.translate({value: key for key, value in _HIRAGANA.items()})
    return frozenset(
        {
            wide,
            katakana,
            wide.translate(_HIRAGANA),
            unicodedata.normalize("NFD", katakana).translate(_narrow_kana()),
        }
    )


@cache
def _narrow_kana() -> dict[int, int]:
    narrow = {ord(unicodedata.normalize("NFKC", chr(n))): n for n in range(0xFF66, 0xFF9E)}
    return {**narrow, 0x3099: 0xFF9E, 0x309A: 0xFF9F}


@cache
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

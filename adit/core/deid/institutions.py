"""What tells an institution, and its devices, in descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .addresses import AddressParts
from .folding import fold, spellings, squeezed, words
from .ordinary_words import is_abbreviation, is_ordinary

_SHORTEST_TELLING = 4  # letters of a word that tells in any case
_SHORTEST_NUMBER = 5  # of a device without letters
_SHORT = re.compile(r"(?<![^\W_])[^\W\d_]{3}(?![^\W_])")
_SHORT_WHOLE = re.compile(r"[^\W\d_]{2,3}")


class Institutions:
    """Names and addresses of institutions, ready to be looked for.

    A name of two letters (`KN`) counts in capitals, one of three (`MGH`) in any case, and a word of
    three capitals in a longer name (`LMU Klinikum`) in capitals, unless modalities, directions and
    the like are called so.

    Attributes:
        parts: Names as a whole, streets and codes.
        words: Spellings of words that tell it by themselves.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.parts = AddressParts()
        self.words: set[str] = set()
        forms: set[str] = set()
        for text in texts:
            self.parts.learn(text)
            forms.update(_short_forms(text))
            for word in words(text):
                if len(word) >= _SHORTEST_TELLING and word.isalpha() and not is_ordinary(word):
                    self.words |= spellings(word)
        self.parts.places.clear()
        joined = "|".join(sorted(forms))
        self._short = re.compile(rf"(?<![^\W\d_])(?:{joined})(?![^\W\d_])") if forms else None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where a text, as written, has a short name."""
        if self._short:
            for match in self._short.finditer(text):
                yield match.span()


def _short_forms(text: str) -> Iterator[str]:
    for value in map(str.strip, text.split("\\")):
        if _SHORT_WHOLE.fullmatch(value) and value.isupper() and not is_abbreviation(value):
            yield f"(?i:{value})" if len(value) > 2 else value
    for word in _SHORT.findall(text):
        if word.isupper() and not is_abbreviation(word):
            yield word


def may_tell_device(value: str) -> bool:
    """Whether the name or number of a device is no ordinary word, modality or small number."""
    core = squeezed(fold(value).text)
    shortest = _SHORTEST_NUMBER if core.isdigit() else _SHORTEST_TELLING
    return len(core) >= shortest and not is_ordinary(value.strip())

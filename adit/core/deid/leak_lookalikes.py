"""Words of letters of several scripts that look alike, read in each. Apart from the engine's."""

from __future__ import annotations

import re
from collections.abc import Iterable

_FAMILIES = """
AАΑ BВΒ CСϹ EЕΕ HНΗ IІΙ KКΚ MМΜ OОΟ PРΡ TТΤ XХΧ YУΥ
aаα bвβ cсϲ eеε hнη iіι kкκ mмμ oоο pрρ tтτ xхχ yуγ
"""
_TABLES = [
    str.maketrans({letter: family[own] for family in _FAMILIES.split() for letter in family})
    for own in range(3)
]
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_CYRILLIC_OR_GREEK = re.compile("[\u0370-\u04ff]")


def in_one_script(texts: Iterable[str]) -> set[str]:
    """Readings of texts whose words mix scripts, each in one script."""
    found: set[str] = set()
    for text in texts:
        if _CYRILLIC_OR_GREEK.search(text) and _LATIN.search(text):
            for table in _TABLES:
                found.add(_LETTERS.sub(lambda match, table=table: _read(match[0], table), text))
    return found


def _read(word: str, table: dict[int, str]) -> str:
    mixed = _LATIN.search(word) and _CYRILLIC_OR_GREEK.search(word)
    return word.translate(table) if mixed else word

"""Patterns that find the names of a patient in folded text."""

from __future__ import annotations

import itertools
import re

from .leak_needles import Needles
from .leak_spelling import is_ideographic, spellings_of, written_forms
from .leak_vocabulary import COMMON_WORDS

_SHORTEST_PART, _SPACED_PART, _PART_INSIDE_WORDS = 3, 5, 6
_WORD = re.compile(r"[^\W\d_]+")

Names = tuple[list[tuple[re.Pattern[str], bool]], list[str], set[str]]
"""Parts with whether they tell somebody by themselves; patterns of whole names; lone names."""


def name_patterns(texts: set[str], needles: Needles) -> Names:
    """Patterns for the names in the texts; enters their needles."""
    parts: dict[str, None] = {}
    whole: dict[str, None] = {}
    lone: set[str] = set()
    for text in sorted(texts):
        for name in re.split(r"[\\=]", text):
            words = _WORD.findall(name)
            telling = [word for word in words if _is_part(word)]
            for word in telling:
                parts[word] = None
            for pair in itertools.permutations(words[:4], 2):
                if all(_is_weak(word) for word in pair) and _long_enough(pair):
                    whole[_adjacent(pair)] = None
                    for spelling in spellings_of(pair[0]):
                        for other in spellings_of(pair[1]):
                            needles.add(spelling + other)
            if len(words) == 1 and not telling:
                lone.update(spellings_of(words[0]))
                needles.add(words[0])
    compiled = []
    for word in sorted(parts):
        spellings = spellings_of(word)
        for spelling in (*written_forms(word), *spellings):
            needles.add(spelling)
        alternatives = "|".join(sorted(_part_pattern(spelling) for spelling in spellings))
        compiled.append((re.compile(alternatives), not spellings & COMMON_WORDS))
    return compiled, list(whole), lone


def _is_part(word: str) -> bool:
    return len(word) >= (2 if is_ideographic(word) else _SHORTEST_PART)


def _is_weak(word: str) -> bool:
    """Tells nobody by itself: too short, or a common word."""
    return not _is_part(word) or bool(spellings_of(word) & COMMON_WORDS)


def _long_enough(pair: tuple[str, ...]) -> bool:
    """Initials are no name: two ideographs, or two words of two letters at least."""
    return all(is_ideographic(word) or len(word) >= 2 for word in pair)


def _part_pattern(part: str) -> str:
    word = rf"(?<![^\W\d_]){re.escape(part)}(?![^\W\d_])"
    if is_ideographic(part):
        return r"[\W_]?".join(map(re.escape, part))
    if len(part) >= _SPACED_PART:
        spaced = r"[\W_]{0,2}".join(map(re.escape, part))
        word = rf"(?<![^\W\d_]){spaced}(?![^\W\d_])"
    if len(part) >= _PART_INSIDE_WORDS:
        word = rf"{word}|{re.escape(part)}"
    return word


def _adjacent(pair: tuple[str, ...]) -> str:
    first, second = ("|".join(sorted(map(re.escape, spellings_of(word)))) for word in pair)
    return rf"(?<![^\W\d_])(?:{first})[\W_]{{0,3}}(?:{second})(?![^\W\d_])"

"""Patterns that find the names of a patient in folded text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from .leak_needles import Needles
from .leak_spelling import (
    foldings,
    is_caseless,
    is_ideographic,
    spellings_of,
    words_of,
    written_forms,
)
from .leak_vocabulary import COMMON_WORDS, PARTICLES

_BEHIND_LATIN = "\u0300"
SHORTEST_PART, _SPACED_PART, PART_INSIDE_WORDS = 3, 5, 6
_TOGETHER_INSIDE_WORDS, _FAMILY_WITH_INITIAL = 8, 4

Names = tuple[list[tuple[str, bool]], list[str], set[str]]
"""Patterns of parts with whether they tell somebody by themselves; of whole names; lone names."""


def name_patterns(texts: Iterable[str], needles: Needles, shortest: int = SHORTEST_PART) -> Names:
    """Patterns for the names in the texts; enters their needles."""
    parts: dict[str, None] = {}
    whole: dict[str, None] = {}
    lone: set[str] = set()
    together: dict[str, None] = {}
    for text in sorted(texts):
        for name in re.split(r"[\\=]", text):
            words = [word for word in words_of(name) if word.lower() not in PARTICLES]
            telling = [word for word in words if _is_part(word, shortest)]
            for word in telling:
                parts[word] = None
                parts.update(dict.fromkeys(_parts_of_ideographs(word)))
            parts.update(dict.fromkeys(_joined_words(name, shortest)))
            for pair in itertools.permutations(words[:4], 2):
                if all(_is_weak(word, shortest) for word in pair) and _long_enough(pair):
                    whole[_adjacent(pair)] = None
                    for spelling in spellings_of(pair[0]):
                        for other in spellings_of(pair[1]):
                            needles.add(spelling + other)
                elif not all(_is_weak(word, shortest) for word in pair) and _long_enough(pair):
                    together[_together(pair)] = None
            together.update(dict.fromkeys(_with_initials(name, shortest)))
            if len(words) == 1 and not telling and shortest == SHORTEST_PART:
                lone.update(spellings_of(words[0]))
                needles.add(words[0])
    found = []
    for word in sorted(parts):
        spellings = spellings_of(word)
        for spelling in {*written_forms(word), *spellings}:
            needles.add(spelling)
        written = {*spellings, word.lower()}  # in bytes short names count as they stand
        alternatives = "|".join(sorted(_part_pattern(spelling) for spelling in written))
        found.append((alternatives, not spellings & COMMON_WORDS))
    if together:  # their needles are those of the parts
        found.append(("|".join(together), True))
    return found, list(whole), lone


def _is_part(word: str, shortest: int) -> bool:
    if is_ideographic(word):
        return len(word) >= 2
    return len(foldings(word)[0]) >= shortest


def _parts_of_ideographs(word: str) -> list[str]:
    """Given name, and family name, of a name of ideographs that is written without a break."""
    if not is_ideographic(word) or not 3 <= len(word) <= 4:
        return []
    return [word[1:]] if len(word) == 3 else [word[:2], word[1:], word[2:]]


def _joined_words(name: str, shortest: int) -> list[str]:
    """Names of several words in one: O'Brien, Meyer-Landrut, von der Leyen."""
    found = []
    for component in name.split("^"):
        words = words_of(component)
        joined = "".join(words)
        telling = any(not _is_weak(word, shortest) for word in words)
        if len(words) > 1 and telling and len(joined) >= PART_INSIDE_WORDS:
            found.append(joined)
    return found


def _is_weak(word: str, shortest: int) -> bool:
    """Tells nobody by itself: too short, or a common word."""
    return not _is_part(word, shortest) or bool(spellings_of(word) & COMMON_WORDS)


def _long_enough(pair: tuple[str, ...]) -> bool:
    """Initials are no name: two ideographs, or two words of two letters at least."""
    return all(is_ideographic(word) or len(word) >= 2 for word in pair)


def _part_pattern(part: str) -> str:
    before, behind = _edges(part)
    word = f"{before}{re.escape(part)}{behind}"
    if is_caseless(part):  # such scripts set few blanks
        return r"[\W_]?".join(map(re.escape, part))
    if len(part) >= _SPACED_PART:
        spaced = r"[\W_]{0,2}".join(map(re.escape, part))
        word = f"{before}{spaced}{behind}"
    if len(part) >= PART_INSIDE_WORDS:
        word = rf"{word}|{re.escape(part)}"
    return word


def _edges(part: str) -> tuple[str, str]:
    """What a word may not adjoin: letters, those of its own script if that is not Latin."""
    if part[0] < _BEHIND_LATIN:
        return r"(?<![^\W\d_])", r"(?![^\W\d_])"
    block = ord(part[0]) & ~0xFF
    letters = f"[{chr(block)}-{chr(block | 0xFF)}]"
    return rf"(?<!{letters})", rf"(?!{letters})"


def _together(pair: tuple[str, ...]) -> str:
    """Two words of a name without a separator: `JohnSmith`."""
    first, second = ("|".join(sorted(map(re.escape, spellings_of(word)))) for word in pair)
    body = f"(?:{first})(?:{second})"
    if sum(map(len, pair)) >= _TOGETHER_INSIDE_WORDS or any(map(is_caseless, pair)):
        return body
    return rf"(?<![^\W\d_]){body}(?![^\W\d_])"


def _with_initials(name: str, shortest: int) -> Iterator[str]:
    """Family name with the initials of given names before or behind it: `JSMITH01`, `smithja`."""
    components = name.split("^")
    given = [word for part in components[1:3] for word in words_of(part)]
    if len(components) == 1:
        given = words_of(name)
    given = [word for word in given if not is_caseless(word)]
    letters = {form[0] for word in given for form in spellings_of(word) if form}
    letters.add("".join(foldings(word)[0][:1] for word in given))
    initials = "|".join(sorted(map(re.escape, letters - {""})))
    for word in words_of(components[0]):
        long_enough = len(foldings(word)[0]) >= _FAMILY_WITH_INITIAL
        if initials and long_enough and not is_caseless(word) and not _is_weak(word, shortest):
            family = "|".join(sorted(map(re.escape, spellings_of(word))))
            before, behind = _edges(foldings(word)[0])
            yield rf"{before}(?:(?:{initials})(?:{family})|(?:{family})(?:{initials})){behind}"


def _adjacent(pair: tuple[str, ...]) -> str:
    first, second = ("|".join(sorted(map(re.escape, spellings_of(word)))) for word in pair)
    body = rf"(?:{first})[\W_]{{0,3}}(?:{second})"
    if all(map(is_ideographic, pair)):
        return body
    return rf"(?<![^\W\d_]){body}(?![^\W\d_])"

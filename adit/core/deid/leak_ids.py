"""Patterns that find the ids of a patient in folded text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .leak_spelling import foldings
from .leak_vocabulary import COMMON_WORDS

_SHORTEST_ID, ID_INSIDE_TEXT, _NUMBER_AMONG_LETTERS = 3, 6, 6
_YEAR = re.compile(r"(?:19|20)\d\d")


def values_of(texts: Iterable[str]) -> set[str]:
    """The single values of multi-valued texts, folded."""
    return {
        foldings(part.strip(" \0"))[0]
        for text in texts
        for part in text.split("\\")
        if part.strip(" \0")
    }


def core_of(text: str) -> str:
    """Letters and digits of an id; a number without leading zeros."""
    core = re.sub(r"[\W_]", "", text)
    return core.lstrip("0") if core.isdecimal() else core


def tells_nothing(text: str) -> bool:
    """Whether an id is too short or too common to count inside of text."""
    core = re.sub(r"[\W_]", "", text)
    short = len(core_of(text)) < _SHORTEST_ID
    return short or core in COMMON_WORDS or bool(_YEAR.fullmatch(core))


def tells_little(text: str) -> bool:
    """Whether the number of an order or a study is too short, or a mere word, to count at all."""
    core = core_of(text)
    return len(core) < ID_INSIDE_TEXT or sum(c.isdecimal() for c in core) < 4


def id_pattern(ids: set[str]) -> str:
    """Matches ids in folded text, between characters that are no letters or digits.

    What has six digits also counts between letters (`Case4711089b`), where one number ends and
    another begins at no digit.
    """
    patterns: dict[str, None] = {}
    for text in sorted(ids):
        if tells_nothing(text):
            continue
        core = core_of(text)
        zeros = "0*" if core.isdecimal() else ""
        if len(core) >= ID_INSIDE_TEXT:
            body = _spread(core)
        elif zeros:
            body = r"[\W_]?".join(re.findall(r"\d+", text.lstrip("0"))) or core
        else:
            body = _spread(core)
        before, behind = _edges(core)
        patterns[f"{before}{zeros}{body}{behind}"] = None
    return "|".join(patterns)


def _edges(core: str) -> tuple[str, str]:
    """What an id may not adjoin."""
    if sum(map(str.isdecimal, core)) < _NUMBER_AMONG_LETTERS:
        return r"(?<![^\W_])", r"(?![^\W_])"
    return r"(?<!\d)" if core[0].isdecimal() else "", r"(?!\d)" if core[-1].isdecimal() else ""


def id_pattern_in_bytes(ids: set[str]) -> str:
    """Matches long ids, whose neighbours may be anything."""
    cores = [core_of(text) for text in sorted(ids) if not tells_nothing(text)]
    return "|".join(_spread(core) for core in cores if len(core) >= ID_INSIDE_TEXT)


def _spread(core: str) -> str:
    """The id with any one separator, or none, between its characters."""
    return r"[\W_]?".join(map(re.escape, core))


def with_short_gaps(text: str) -> str:
    """Text in which a dash with blanks around it, and the like, is one separator."""
    return re.sub(r"[\W_]{2,3}", " ", text)

"""Patterns that find the ids of a patient in folded text."""

from __future__ import annotations

import re

from .leak_vocabulary import COMMON_WORDS

_SHORTEST_ID, _ID_INSIDE_TEXT = 3, 6
_YEAR = re.compile(r"(?:19|20)\d\d")


def values_of(texts: set[str]) -> set[str]:
    """The single values of multi-valued texts, folded."""
    return {part.strip().casefold() for text in texts for part in text.split("\\") if part.strip()}


def tells_nothing(text: str) -> bool:
    """Whether an id is too short or too common to count inside of text."""
    core = re.sub(r"[\W_]", "", text)
    significant = core.lstrip("0") if core.isdigit() else core
    short = len(significant) < _SHORTEST_ID
    return short or core in COMMON_WORDS or bool(_YEAR.fullmatch(core))


def id_pattern(ids: set[str], in_bytes: bool) -> re.Pattern[str] | None:
    """Ids in folded text; in bytes only long ones, whose neighbours may be anything."""
    patterns: dict[str, None] = {}
    for text in sorted(ids):
        core = re.sub(r"[\W_]", "", text)
        if tells_nothing(text):
            continue
        zeros = ""
        if core.isdigit():
            core, zeros = core.lstrip("0"), "0*"
        inside = len(core) >= _ID_INSIDE_TEXT
        if inside:
            body = r"[\W_]?".join(map(re.escape, core))
        elif zeros:
            body = core
        else:
            body = r"[\W_]?".join(map(re.escape, core))
        if in_bytes:
            if inside:
                patterns[body] = None
            continue
        patterns[rf"(?<![^\W_]){zeros}{body}(?![^\W_])"] = None
    return re.compile("|".join(patterns)) if patterns else None

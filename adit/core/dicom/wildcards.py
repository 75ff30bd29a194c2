"""Wild card matching (PS3.4 C.2.2.2.4) in time that no pattern can blow up.

A regular expression with several `.*` tries all ways to split the text among them: seconds and
minutes for a text of 64 characters, while nothing else in the process runs.
"""

from __future__ import annotations

import re
from functools import lru_cache


def wildcard_match(pattern: str, text: str) -> bool:
    """Whether `pattern` fits the whole of `text`: `*` is any characters or none, `?` exactly one.

    What stands between two `*` is looked for from the left; as the `*` behind it takes whatever
    follows, the first place is as good as any other.
    """
    first, *between = pattern.split("*")
    if not between:
        return len(first) == len(text) and _find(first, text, 0, len(text)) == 0
    last = between.pop()
    start, end = len(first), len(text) - len(last)
    if start > end:
        return False
    if _find(first, text, 0, start) != 0 or _find(last, text, end, len(text)) != end:
        return False
    for segment in between:
        found = _find(segment, text, start, end)
        if found < 0:
            return False
        start = found + len(segment)
    return True


def _find(segment: str, text: str, start: int, end: int) -> int:
    """Where `segment` stands first in that part of `text`, -1 where it does not."""
    if "?" not in segment:
        return text.find(segment, start, end)
    found = _of_one_length(segment).search(text, start, end)
    return found.start() if found else -1


@lru_cache(maxsize=256)
def _of_one_length(segment: str) -> re.Pattern[str]:
    """Without repetition there is nothing to try in several ways."""
    return re.compile("".join("." if c == "?" else re.escape(c) for c in segment), re.DOTALL)

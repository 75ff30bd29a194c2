"""Words of the names of persons, and how they are written together."""

from __future__ import annotations

import re
import unicodedata
from itertools import permutations, product

from .folding import is_unspaced, words

_DOUBLE_NAME = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)+")
_JOINED_WORDS, _FAMILY_WITH_INITIAL = 4, 4


def name_words(name: str) -> set[str]:
    """Words of a person name (PN) that identify: three letters, or two ideographs.

    Double names come whole and in parts.
    """
    found = set()
    name = unicodedata.normalize("NFC", name)
    behind_apostrophes = (
        part for word in words(name) for part in re.split("['’]", word) if len(part) > 3
    )
    for word in (*words(name), *_DOUBLE_NAME.findall(name), *behind_apostrophes):
        if len(word) >= 3 or (len(word) == 2 and not word.isascii() and word[0].isalpha()):
            found.add(word)
    return found


def whole_names(name: str) -> set[str]:
    """Names of short words (`Li^Wu`), and those in scripts without spaces, in both orders."""
    found = set()
    for group in re.split(r"[=\\]", unicodedata.normalize("NFC", name)):
        parts = words(group)
        if len(parts) > 1 and (is_unspaced(group) or all(len(part) < 3 for part in parts)):
            found |= {"".join(parts), "".join(reversed(parts))}
    return found


def joined_names(name: str) -> set[str]:
    """Names written together: two words, and a family name with initials of given names.

    `Smith^John` is `SmithJohn`, `johnsmith`, `JSmith` and `smithj`.
    """
    found = set()
    for group in re.split(r"[=\\]", unicodedata.normalize("NFC", name)):
        if is_unspaced(group):
            continue
        parts = [part for part in words(group) if len(part) > 1][:_JOINED_WORDS]
        found |= {"".join(pair) for pair in permutations(parts, 2) if len("".join(pair)) > 4}
        family, caret, rest = group.partition("^")
        families = [part for part in words(family) if len(part) >= _FAMILY_WITH_INITIAL]
        given = words(" ".join(rest.split("^")[:2])) if caret else words(group)
        initials = {part[0] for part in given} | {"".join(part[0] for part in given)}
        for own, letters in product(families, initials - {""}):
            found |= {own + letters, letters + own}
    return found

"""Ages over 89 as people write them, found in folded text.

A header tells them as `090Y` (HIPAA, 45 CFR 164.514 (b)(2)(i)(C)), so text may not tell them
either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OLD = r"(?<![\d.,])0?(?:9\d|1[0-2]\d)"
_YEARS = (
    r"y(?:(?:ea)?rs?|[./]?o)?|years?[\s-]*olds?|ans|anni|anos|j|jahre?[sn]?|j(?:a|ae)hrige?[nrs]?"
    r"|jaar|jarige?|ars?|arig|let|lat|лет|лета|года?"
)
_AGE = r"aged?|alter(?:\s+von)?|age\s+de|agee?\s+de|eta|edad|idade|leeftijd|wiek|alder|возраст"
_TENS = (
    r"(?:ninety(?:[\s-]?(?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:(?:ein|zwei|drei|vier|fue?nf|sechs|sieben|acht|neun)und)?neunzig"
    r"|quatre[\s-]vingt[\s-](?:dix|onze|douze|treize|quatorze|quinze|seize)(?:[\s-](?:sept|huit|neuf))?)"
)
_OLDER = r"(?:[\s.,]*(?:old|alte?[nrs]?|ages?|d['’]age))?"
_PHRASES = re.compile(
    rf"(?:(?<![^\W_])(?:{_AGE})[\s:=._-]{{0,3}})?{_OLD}[\s_-]{{0,2}}(?:{_YEARS})(?![^\W_]){_OLDER}"
    rf"|(?<![^\W_])(?:{_AGE})[\s:=._-]{{1,3}}0?(?:9\d|1[0-2]\d)(?![.,]?\d|[^\W_])"
    rf"|{_OLD}\s?[岁歳才세]"
    rf"|(?<![^\W_]){_TENS}[\s-]{{0,2}}(?:{_YEARS})(?![^\W_]){_OLDER}"
    r"|(?<![^\W_])(?:nonage|cente)nari(?:an|o|a)(?![^\W_])"
)


def old_ages_in(folded: str) -> Iterator[tuple[int, int]]:
    """Start and end of what says that somebody is 90 or older."""
    for match in _PHRASES.finditer(folded):
        yield match.span()

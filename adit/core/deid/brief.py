"""Ids of two characters and years of birth, which are ordinary words and numbers to most texts.

An id of a letter and a digit (`Q7`) goes out of text where it stands alone, unless protocols use
it: vertebrae, weightings, dimensions, field strengths, echoes, versions. Pairs of digits and pairs
of letters stay: they count slices and name planes and sequences in nearly every description.

The year of birth goes where it stands alone if it is of the last century, whose years are no years
of protocols and hardly ever settings, and in any case behind a word or sign of birth. Later years
stay by themselves: removing `2000` from `b2000` would tell it.
"""

from __future__ import annotations

import re

_PROTOCOLS = """
c1 c2 c3 c4 c5 c6 c7 c8 d1 d2 d3 d4 d5 d6 d7 d8 d9 t1 t2 t3 t4 t5 t6 t7 t8 t9 l1 l2 l3 l4 l5 l6
s1 s2 s3 s4 s5 1d 2d 3d 4d 5d 1h 3h 1t 3t 7t 9t b0 b1 b2 b5 e1 e2 e3 e4 p2 p3 p4 i2 i3 m0 m1 m2
n0 n1 n2 n3 r1 r2 v1 v2 v3 v4 v5 v6 v7 v8 v9 x1 x2 x3 x4 1x 2x 3x 4x h0 h1 h2 h3
"""
_OF_PROTOCOLS = frozenset(_PROTOCOLS.split())
_FIRST_YEAR, _LAST_YEAR = 1900, 1999
_BIRTH = (
    r"(?:\*|†|\b(?:born|b\.|birth|yob|dob|geb\.?|geboren|geburtsjahr|jg\.?|jahrgang|nee?|naissance"
    r"|nat[oa]|nacid[oa]|nascid[oa]|geboorte|fodt|ur\.|р\.|рожд\w*)(?:\s+(?:in|year|im|jahr|en))?)"
)


def tells_by_itself(identifier: str) -> bool:
    """Whether an id of two characters is no ordinary word or number."""
    return (
        len(identifier) == 2
        and identifier.isascii()
        and identifier.isalnum()
        and not identifier.isalpha()
        and not identifier.isdigit()
        and identifier.lower() not in _OF_PROTOCOLS
    )


def year_pattern(year: int) -> re.Pattern[str]:
    """Finds a year of birth in folded text."""
    if _FIRST_YEAR <= year <= _LAST_YEAR:
        return re.compile(rf"(?:{_BIRTH}[\s:=_-]{{0,3}})?(?<![^\W_])(?<!\d[.,]){year}(?![^\W_])")
    return re.compile(rf"{_BIRTH}[\s:=_-]{{0,3}}{year}(?![^\W_])")

"""Text behind escapes of other notations: URLs, HTML, JSON and mail.

`Smith%20John`, `M&uuml;ller`, `&#83;mith`, `M\\u00fcller` and `M=C3=BCller` are read as a person
reads them. Escapes may be escaped once more (`%2520`, `&amp;uuml;`).
"""

from __future__ import annotations

import html
import re

_OF_PAGES = r"""
    (?:%[0-9a-f]{2})+                          # URL (RFC 3986)
    | [%\\]u[0-9a-f]{4} | \\x[0-9a-f]{2}       # JavaScript, JSON
    | &\#(?:\d{1,7}|x[0-9a-f]{1,6});? | &[a-z][a-z0-9]{1,30};?
"""
_OF_MAIL = r"(?:=[0-9a-f]{2})+"  # RFC 2045; by itself, since `id=4711` of a URL looks like it
_NOTATIONS = [
    re.compile(pattern, re.VERBOSE | re.IGNORECASE)
    for pattern in (_OF_PAGES, f"{_OF_MAIL} | {_OF_PAGES}")
]
_BYTES = re.compile(r"[%=]([0-9a-fA-F]{2})")
_ROUNDS = 3

Span = tuple[int, int]


def unescaped(text: str) -> list[tuple[str, list[Span]]]:
    """What the text says without escapes, and from where to where each character of it stood.

    There is one reading for each notation and each level of escapes; none if there are no escapes.
    """
    if not any(sign in text for sign in "%=&\\"):
        return []
    readings: dict[str, list[Span]] = {}
    for notation in _NOTATIONS:
        found, spans = text, [(index, index + 1) for index in range(len(text))]
        for _ in range(_ROUNDS):
            plainer, places = _once(found, notation)
            if plainer == found:
                break
            found, spans = plainer, [(spans[start][0], spans[end - 1][1]) for start, end in places]
            readings.setdefault(found, spans)
    return list(readings.items())


def _once(text: str, notation: re.Pattern[str]) -> tuple[str, list[Span]]:
    pieces: list[str] = []
    places: list[Span] = []
    position = 0
    for match in notation.finditer(text):
        start, end = match.span()
        pieces.append(text[position:start])
        places += [(index, index + 1) for index in range(position, start)]
        for meant, length in _meant_by(match[0]):
            pieces.append(meant)
            places += [(start, start + length)] * len(meant)
            start += length
        position = end
    pieces.append(text[position:])
    places += [(index, index + 1) for index in range(position, len(text))]
    return "".join(pieces), places


def _meant_by(escape: str) -> list[tuple[str, int]]:
    """What an escape says, each part with the number of characters that it takes."""
    if escape[0] == "&":
        return [(html.unescape(escape), len(escape))]
    if escape[1] in "uUxX":
        return [(chr(int(escape[2:], 16)), len(escape))]
    data = bytes.fromhex("".join(_BYTES.findall(escape)))
    try:
        return [(character, 3 * len(character.encode())) for character in data.decode("utf-8")]
    except UnicodeDecodeError:
        return [(character, 3) for character in data.decode("latin-1")]

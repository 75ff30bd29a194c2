"""Fonts of printed receipts and reports.

Latin text is set in Bitstream Vera, which is embedded. For what Vera lacks the fonts are named but
not embedded, as PDF provides for Chinese, Japanese and Korean: a viewer shows them with the fonts
that it has for these languages (the Japanese one covers Greek and Cyrillic too). What no font has,
Arabic and Hebrew for example, is written as its code point.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import groupby

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

PLAIN, BOLD = "Vera", "VeraBd"
_JAPANESE, _KOREAN = "HeiseiKakuGo-W5", "HYGothic-Medium"

# Blocks of Unicode and the font for them.
_BLOCKS = (
    (0x0370, 0x04FF, _JAPANESE),
    (0x1100, 0x11FF, _KOREAN),
    (0x2000, 0x2BFF, _JAPANESE),
    (0x2E80, 0x9FFF, _JAPANESE),
    (0xAC00, 0xD7A3, _KOREAN),
    (0xF900, 0xFAFF, _JAPANESE),
    (0xFF00, 0xFFEF, _JAPANESE),
)


@functools.cache
def register_fonts() -> frozenset[int]:
    """Make the fonts known; returns the code points that Vera has."""
    plain = TTFont(PLAIN, "Vera.ttf")
    pdfmetrics.registerFont(plain)
    pdfmetrics.registerFont(TTFont(BOLD, "VeraBd.ttf"))
    for name in (_JAPANESE, _KOREAN):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return frozenset(plain.face.charToGlyph)  # type: ignore[union-attr]


def runs(text: str, font: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with the font that has its characters."""
    known = register_fonts()

    def font_of(char: str) -> str:
        code = ord(char)
        if code in known:
            return font
        for first, last, name in _BLOCKS:
            if first <= code <= last:
                return name
        return ""

    for name, chars in groupby(text, font_of):
        piece = "".join(chars)
        if name:
            yield name, piece
        else:
            yield font, "".join(f"[U+{ord(char):04X}]" for char in piece)

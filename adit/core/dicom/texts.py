"""Texts of peers as people and databases can take them: of one line, without control characters."""

from __future__ import annotations

import re

# Tabulators and line breaks of every kind (PS3.5 6.1.3 has no others).
_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
# The other controls, escapes that no character set explains among them, and halves of surrogate
# pairs, which nothing can write (RFC 8259 8.2).
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def one_line(text: str) -> str:
    """The text without what no single line can hold.

    Breaks become a space. Other control characters become replacement characters and are not left
    out, as `P\\0001` is not the patient ID `P1`; NULs and spaces around the text are padding.
    """
    text = text.strip(" \0")
    if text.isprintable():
        return text
    text = _BREAKS.sub(" ", text).strip(" \0")
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)

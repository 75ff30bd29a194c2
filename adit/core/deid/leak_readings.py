"""What bytes of an element may say, in every encoding that they may be in."""

from __future__ import annotations

import itertools
import re

from pydicom import charset as pydicom_charset

from .leak_encodings import unscrambled
from .leak_escapes import has_escapes, plain_readings
from .leak_lookalikes import in_one_script
from .leak_spelling import words_of

ESCAPE = re.compile(rb"\x1b[\x20-\x2f]+[\x30-\x7e]")
"""An escape sequence of ISO 2022."""

_ESCAPED_KANJI = re.compile(
    rb"\x1b\$[@B].*?(?:\x1b\([BJ]|$)|\x1b\$\(D.*?(?:\x1b\([BJ]|$)", re.DOTALL
)
_GUESSED = (
    *("cp932", "euc_jp", "gb18030", "cp949", "cp950"),
    *("cp850", "mac_roman", "cp1251", "koi8_r", "cp874"),
)
_PLAIN = bytes((9, 10, 12, 13, *range(32, 127)))
"""Bytes of text that needs no decoding."""

_C1 = re.compile(r"[\x80-\x9f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def decode(value: bytes, encodings: list[str]) -> str:
    """Text of bytes in the first of the encodings that fits, else in the default one."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    for encoding in encodings:
        try:
            return value.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return value.decode("latin-1")


def meant_by(value: bytes, encodings: list[str]) -> set[str]:
    """What an identifier may say.

    As declared, and in UTF-8 although something else is declared; without control characters, and
    with blanks in their place; in UTF-16 where there are NULLs inside; and without escapes.
    """
    texts = _meant_as_written(value, encodings)
    if has_escapes(value):
        texts |= plain_readings(texts, encodings)
    return texts if value.isascii() else texts | in_one_script(texts)


def _meant_as_written(value: bytes, encodings: list[str]) -> set[str]:
    if b"\x1b" in value:
        texts = {
            value.decode(encoding, "replace") for encoding in encodings if "iso2022" in encoding
        }
        texts.add(decode(_ESCAPED_KANJI.sub(b"=", value), encodings))
        texts.add(decode(ESCAPE.sub(b"", value), [e for e in encodings if "iso2022" not in e]))
        return texts
    texts = {decode(value, encodings), decode(value, ["utf-8", *encodings])}
    texts |= _guesses(value, encodings)
    if again := unscrambled(value):
        texts.add(decode(again, ["utf-8", *encodings]))
    if b"\0" in value:
        even = value + b"\0" * (len(value) & 1)
        for start, encoding in ((0, "utf-16-le"), (0, "utf-16-be"), (1, "utf-16-be")):
            text = even[start : len(even) - start].decode(encoding, "replace")
            if text.isprintable() and "\ufffd" not in text:
                texts.add(text)
    for text in list(texts):
        if _CONTROL.search(text):
            texts.remove(text)
            texts |= {_CONTROL.sub("", text), _CONTROL.sub(" ", text)}
    return texts


def _guesses(value: bytes, encodings: list[str]) -> set[str]:
    """What bytes of an undeclared encoding may mean, or of another than the declared one.

    A guess whose words mix Latin with other letters is none.
    """
    undeclared = encodings[0] == "utf-8" or _C1.search(decode(value, encodings))
    if value.isascii() or not undeclared or "\ufffd" not in value.decode("utf-8", "replace"):
        return set()
    found = set()
    for encoding in _GUESSED:
        try:
            text = value.decode(encoding)
        except UnicodeDecodeError:
            continue
        words = words_of(text)
        foreign = {c for c in text if not c.isascii()}
        if foreign <= set("".join(words)) and not any(map(_is_mixed, words)):
            found.add(text)
    return found


def _is_mixed(word: str) -> bool:
    return bool(re.search(r"[a-zA-Z]", word)) and any(c > "\u024f" for c in word)


def readings(value: bytes, encodings: list[str], of_bytes: bool) -> set[str]:
    """All that a value may say: in each of the encodings, as text hidden in bytes, unescaped."""
    texts = _as_written(value, encodings, of_bytes)
    if has_escapes(value):
        texts |= plain_readings(texts, encodings)
    return texts if value.isascii() else texts | in_one_script(texts)


def _as_written(value: bytes, encodings: list[str], of_bytes: bool) -> set[str]:
    if not of_bytes and not value.translate(None, _PLAIN):
        return {value.decode("ascii")}
    texts: set[str] = set()
    forms = {value, ESCAPE.sub(b"", value)}
    for _ in range(2):  # some are scrambled twice
        again = {unscrambled(form) for form in forms} - forms - {b""}
        forms |= again
    for form in forms:
        for encoding in encodings:
            if b"\x1b" in form or not encoding.startswith("iso2022"):
                texts.add(form.decode(encoding, "replace"))
    if b"\0" in value.strip(b"\0"):
        texts.add(value.translate(None, b"\0").decode("latin-1"))
    parts = {value} if of_bytes else {value, *value.split(b"\\")}
    for part, start in itertools.product(parts, (0, 1)):
        texts.add(part[start:].decode("utf-16-le", "replace"))
        texts.add(part[start:].decode("utf-16-be", "replace"))
    return texts


def encodings_of(declared: list[bytes]) -> list[str]:
    """Python's names for the declared character sets, and UTF-8 and Latin-1 in any case."""
    found: dict[str, None] = {}
    for value in declared:
        for term in value.decode("ascii", "replace").split("\\"):
            encoding = pydicom_charset.python_encoding.get(term.strip())
            if encoding and encoding != "iso8859":
                found[encoding] = None
                if "iso2022" in encoding:
                    found["iso2022_jp_2"] = None
    joined = b"".join(declared)
    if b"ISO 2022 IR 149" in joined:
        found["euc_kr"] = None
    if b"ISO 2022 IR 58" in joined:
        found["gb2312"] = None
    for encoding in ("utf-8", "latin-1"):
        found[encoding] = None
    return list(found)

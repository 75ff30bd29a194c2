"""Specific Character Set (PS3.3 C.12.1.1.2): reading any, writing what the peer will understand."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.charset import convert_encodings, decode_bytes, encode_string, python_encoding
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

_UTF8 = "ISO_IR 192"
_LATIN_9 = "ISO_IR 203"
# PS3.3 Table C.12-2 and C.12-3 have it since 2022, pydicom does not.
_CODECS = python_encoding | {_LATIN_9: "iso8859_15", "ISO 2022 IR 203": "iso8859_15"}
# What is written in place of a defined term, without anything but letters and digits.
_MISNOMERS = {
    "UTF8": _UTF8,
    "UNICODE": _UTF8,
    "ISOIR192": _UTF8,
    "ISO88591": "ISO_IR 100",
    "LATIN1": "ISO_IR 100",
    "ISO885915": _LATIN_9,
    "LATIN9": _LATIN_9,
}

# Stands for JIS X 0201 (ISO_IR 13), of which it has all and more.
_SHIFT_JIS = "shift_jis"
# PS3.3 Table C.12-4: GB 2312 as the G1 set; what it holds has the high bit, as its codec has it.
_TO_GB_2312 = "\x1b$)A"

# Characters after which the first character set holds again (PS3.5 6.1.2.5.3). The whole value is
# decoded before it is split, as bytes of a two-byte character may look like a delimiter.
_TEXT_DELIMITERS = TEXT_VR_DELIMS | {ord("\\")}
_NAME_DELIMITERS = PN_DELIMS | {ord("="), ord("\\")}


def encodings_of(terms: Sequence[str], fallback: str) -> list[str]:
    """Python codecs for the defined terms of a data set; `fallback` where it names none we know.

    An unknown or misspelled term is no reason to lose the data set: the known ones are used.
    """
    known = [term for term in (_tidy(term) for term in terms) if term in _CODECS]
    if not any(known):
        known = [fallback] if fallback in _CODECS else ["ISO_IR 100"]
    if known[0] in python_encoding:
        return convert_encodings([term for term in known if term in python_encoding])
    more = [term for term in known[1:] if term in python_encoding]
    return [_CODECS[known[0]], *(convert_encodings(more) if more else [])]


def is_character_set(term: str) -> bool:
    """Whether it is a defined term that we can read and write, or a usual misspelling of one."""
    return bool(term.strip()) and _tidy(term) in _CODECS


def _tidy(term: str) -> str:
    """Repairs the usual misspellings: "ISO-IR 100", "iso_ir_192", "ISO IR 144", "UTF-8"."""
    term = term.strip(" \0").upper()
    if term in _CODECS:
        return term
    spaced = term.replace("_", " ").replace("-", " ")
    for candidate in (spaced, spaced.replace("ISO IR", "ISO_IR"), spaced.replace(" ", "_")):
        if candidate in _CODECS:
            return candidate
    return _MISNOMERS.get("".join(c for c in term if c.isalnum()), term)


def decode_text(value: bytes, encodings: Sequence[str], *, person_name: bool = False) -> str:
    """Decodes a text value; what the codecs cannot read becomes replacement characters.

    ISO 2022 IR 58 escapes once in each component (PS3.5 K.2), which its codec leaves in the text.
    """
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    delimiters = _NAME_DELIMITERS if person_name else _TEXT_DELIMITERS
    try:
        if b"\x1b" not in value:
            return value.decode(encodings[0], "replace")
        return decode_bytes(value, encodings, delimiters).replace(_TO_GB_2312, "")
    except (LookupError, ValueError):
        return value.decode("latin-1")


def character_set_for(texts: Sequence[str], preferred: str) -> str:
    """The set for a request with `texts`: "" for ASCII, `preferred` if it can, or UTF-8."""
    if all(text.isascii() for text in texts):
        return ""
    if preferred in _CODECS and all(_can_express(preferred, text) for text in texts):
        return preferred
    return _UTF8


def _can_express(character_set: str, text: str) -> bool:
    codec = _CODECS[character_set]
    try:
        encoded = text.encode(codec)
    except (UnicodeEncodeError, LookupError):
        return False
    # Of Shift JIS, JIS X 0201 has what is one byte, and no kanji; a yen sign is a backslash there.
    return codec != _SHIFT_JIS or (len(encoded) == len(text) and encoded.decode(codec) == text)


def encode_text(text: str, character_set: str) -> bytes:
    """Encodes a value of a request in the set that `character_set_for` chose."""
    if not character_set:
        return text.encode("ascii")
    if _CODECS.get(character_set) == _SHIFT_JIS:
        # pydicom takes katakana and ASCII in one text for an error, and writes question marks.
        return text.encode(_SHIFT_JIS, "replace")
    return encode_string(text, encodings_of([character_set], character_set))

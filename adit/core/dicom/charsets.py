"""Specific Character Set (PS3.3 C.12.1.1.2): reading any, writing what the peer will understand."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.charset import convert_encodings, decode_bytes, encode_string, python_encoding
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

_UTF8 = "ISO_IR 192"

# Characters after which the first character set holds again (PS3.5 6.1.2.5.3). The whole value is
# decoded before it is split, as bytes of a two-byte character may look like a delimiter.
_TEXT_DELIMITERS = TEXT_VR_DELIMS | {ord("\\")}
_NAME_DELIMITERS = PN_DELIMS | {ord("="), ord("\\")}


def encodings_of(terms: Sequence[str], fallback: str) -> list[str]:
    """Python codecs for the defined terms of a data set; `fallback` where it names none we know.

    An unknown or misspelled term is no reason to lose the data set: the known ones are used.
    """
    known = [term for term in (_tidy(term) for term in terms) if term in python_encoding]
    if not any(known):
        known = [fallback] if fallback in python_encoding else ["ISO_IR 100"]
    return convert_encodings(known)


def _tidy(term: str) -> str:
    """Repairs the usual misspellings: "ISO-IR 100", "iso_ir_192", "ISO IR 144"."""
    term = term.strip(" \0").upper()
    if term in python_encoding:
        return term
    spaced = term.replace("_", " ").replace("-", " ")
    for candidate in (spaced, spaced.replace("ISO IR", "ISO_IR"), spaced.replace(" ", "_")):
        if candidate in python_encoding:
            return candidate
    return term


def decode_text(value: bytes, encodings: Sequence[str], *, person_name: bool = False) -> str:
    """Decodes a text value; what the codecs cannot read becomes replacement characters."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    delimiters = _NAME_DELIMITERS if person_name else _TEXT_DELIMITERS
    try:
        if b"\x1b" not in value:
            return value.decode(encodings[0], "replace")
        return decode_bytes(value, encodings, delimiters)
    except (LookupError, ValueError):
        return value.decode("latin-1")


def character_set_for(texts: Sequence[str], preferred: str) -> str:
    """The set for a request with `texts`: "" for ASCII, `preferred` if it can, or UTF-8."""
    if all(text.isascii() for text in texts):
        return ""
    if preferred in python_encoding:
        try:
            for text in texts:
                text.encode(python_encoding[preferred])
        except (UnicodeEncodeError, LookupError):
            return _UTF8
        return preferred
    return _UTF8


def encode_text(text: str, character_set: str) -> bytes:
    """Encodes a value of a request in the set that `character_set_for` chose."""
    if not character_set:
        return text.encode("ascii")
    return encode_string(text, convert_encodings([character_set]))

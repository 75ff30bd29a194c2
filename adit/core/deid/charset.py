"""Text in the character sets of DICOM (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

from __future__ import annotations

import warnings
from functools import lru_cache

from pydicom import charset as pydicom_charset

UTF_8 = "ISO_IR 192"
_FALLBACK = "iso8859"  # what pydicom names the default repertoire, widened to Latin-1
_DELIMITERS = {ord(character) for character in "\\^=\r\n\t\f"}


class Charset:
    """The character sets of an object or item, from the raw value of SpecificCharacterSet.

    Bytes that are not of the declared set are no error: they survive decoding and encoding.
    """

    def __init__(self, declared: bytes) -> None:
        self.declared = declared
        terms = [term.strip(" \0") for term in declared.decode("ascii", "replace").split("\\")]
        self.undeclared = terms in ([""], ["ISO_IR 6"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.encodings = list(pydicom_charset.convert_encodings(list(terms)))
            except (LookupError, ValueError):
                self.encodings = [_FALLBACK]
        self._single = self.encodings[0] if len(self.encodings) == 1 else ""
        if self._single.startswith("iso2022"):
            self._single = ""

    def decode(self, value: bytes) -> str:
        """Text of a value; undeclared text that is UTF-8 is read as such."""
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        if self.undeclared:
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return value.decode("latin-1")
        if self._single:
            return value.decode(self._single, "surrogateescape")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom_charset.decode_bytes(value, self.encodings, _DELIMITERS)

    def can_encode(self, text: str) -> bool:
        """Whether text can be written in the declared set."""
        if text.isascii():
            return True
        if self.undeclared:
            return False
        try:
            return self.decode(self._encode(text, "strict")) == text
        except (UnicodeError, LookupError):
            return False

    def encode(self, text: str, like: bytes = b"") -> bytes:
        """Bytes of a text, in the encoding that the original value `like` had."""
        if text.isascii():
            return text.encode("ascii")
        if self.undeclared:
            try:
                like.decode("utf-8")
            except UnicodeDecodeError:
                return text.encode("latin-1", "replace")
            return text.encode("utf-8", "surrogateescape")
        return self._encode(text, "surrogateescape")

    def _encode(self, text: str, errors: str) -> bytes:
        if self._single:
            try:
                return text.encode(self._single, errors)
            except UnicodeError:
                if errors == "strict":
                    raise
                return text.encode(self._single, "replace")
        with warnings.catch_warnings():
            if errors == "strict":
                warnings.simplefilter("error")
                try:
                    return pydicom_charset.encode_string(text, self.encodings)
                except Warning as warning:
                    raise UnicodeError(str(warning)) from None
            warnings.simplefilter("ignore")
            return pydicom_charset.encode_string(text, self.encodings)


@lru_cache(maxsize=64)
def charset(declared: bytes) -> Charset:
    """The character set declared by the raw value of SpecificCharacterSet."""
    return Charset(declared)

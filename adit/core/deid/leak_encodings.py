"""Encodings that text may be in although the object declares another one, or none.

Devices write the code page of their operating system, and gateways read UTF-8 as Latin-1 and write
the result once more. Which encodings are worth a try depends on the letters of the identifiers.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from .leak_spelling import is_ideographic

_OF_ALPHABETS = (
    *("utf-8", "latin-1", "cp850", "mac_roman"),  # western
    *("iso8859_2", "cp1250", "cp852", "mac_latin2", "iso8859_3", "iso8859_16"),  # central, south
    *("iso8859_4", "iso8859_10", "iso8859_13"),  # north
    *("iso8859_5", "cp1251", "koi8_r", "cp866", "mac_cyrillic"),
    *("iso8859_7", "mac_greek", "cp737"),
    *("iso8859_6", "cp1256"),  # Arabic
    *("iso8859_8", "cp862"),  # Hebrew
    *("iso8859_9", "cp857", "mac_turkish"),
    *("cp874", "cp932", "euc_jp", "iso2022_jp"),  # Thai, kana
)
_OF_IDEOGRAPHS = (
    *("utf-8", "cp932", "euc_jp", "iso2022_jp", "iso2022_jp_2"),
    *("cp949", "iso2022_kr", "gb18030", "cp950"),
)

_WINDOWS = {
    character: byte
    for byte in range(0x80, 0xA0)
    if (character := bytes([byte]).decode("cp1252", "replace")) != "\ufffd"
}
_BEYOND_LATIN = "adit.cp1252_or_delete"
"""Error handler that encodes what Latin-1 has not: in code page 1252, or as deletes."""


def _encode_beyond_latin(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    return bytes([_WINDOWS.get(character, 0x7F) for character in characters]), error.end


codecs.register_error(_BEYOND_LATIN, _encode_beyond_latin)


def likely_encodings(texts: Iterable[str]) -> list[str]:
    """Encodings that can hold the characters beyond ASCII, of those with equal bytes only one."""
    found: dict[str, None] = {}
    seen: set[tuple[str, bytes]] = set()
    for text in texts:
        foreign = "".join(sorted({c for c in text if not c.isascii()}))
        if not foreign:
            continue
        ideographs = any(map(is_ideographic, foreign))
        for encoding in _OF_IDEOGRAPHS if ideographs else _OF_ALPHABETS:
            data = _encoded(foreign.lower() + foreign.upper(), encoding)
            if data and (foreign, data) not in seen:
                seen.add((foreign, data))
                found[encoding] = None
    return list(found)


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b""


def unscrambled(value: bytes) -> bytes:
    """UTF-8 that was made of bytes taken for Latin-1 or code page 1252: those bytes again.

    Characters of neither become deletes. Empty if the value is no such thing.
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("utf-8", "replace")
    if text.isascii():
        return b""
    data = text.encode("latin-1", _BEYOND_LATIN)
    return b"" if data.isascii() else data


def scrambled(text: str) -> Iterable[bytes]:
    """Bytes of a text whose UTF-8 was taken for Latin-1 or code page 1252 and written again."""
    data = text.encode("utf-8")
    once = data.decode("latin-1").encode("utf-8")
    yield once
    yield once.decode("latin-1").encode("utf-8")
    windows = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in data)
    yield windows.encode("utf-8")

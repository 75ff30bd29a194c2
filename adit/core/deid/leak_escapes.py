"""What escaped text says: of URLs, HTML and XML, JSON and mail. Apart from the engine's reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.entities import html5
from itertools import product

_ESCAPED = re.compile(
    rb"[%=][0-9A-Fa-f]{2}|&#[0-9Xx]|&[A-Za-z][A-Za-z0-9]+;|&[A-Za-z]{2,6}|[%\\][uU][0-9A-Fa-f]{4}"
    rb"|\\[xX][0-9A-Fa-f]{2}|=\r?\n"
)
_LONG = 4096
_READABLE = re.compile(rb"[ -~]{8,}")
_FOREIGN_OCTET = re.compile(r"[%=][89A-Fa-f][0-9A-Fa-f]")
_OCTETS_OF_URLS = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_OCTETS_OF_MAIL = re.compile(r"(?:=[0-9A-Fa-f]{2})+")
_BROKEN_LINE = re.compile(r"=\r?\n")
"""Where a line of mail is broken that goes on (RFC 2045 6.7)."""
_CODE_UNITS = re.compile(r"[%\\][uU]([0-9A-Fa-f]{4})|\\[xX]([0-9A-Fa-f]{2})")
_NUMBERED = re.compile(r"&#(?:[xX]([0-9A-Fa-f]{1,6})|([0-9]{1,7}));?")
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30};|[A-Za-z]{2,6}[1-4]{0,2})")
_LEVELS = 3
_WITHOUT_END = sorted((name for name in html5 if name[-1] != ";"), key=len, reverse=True)


def has_escapes(data: bytes) -> bool:
    """Whether there is something to read in bytes, of ASCII or UTF-16."""
    return bool(_ESCAPED.search(data.translate(None, b"\0")))


def written_part(data: bytes) -> bytes:
    """What of long bytes can be read, since the rest cannot be escaped text."""
    return data if len(data) < _LONG else b"\x01".join(_READABLE.findall(data))


def plain_bytes(data: bytes) -> Iterable[bytes]:
    """Bytes without their escapes, in both ways to write what the escapes say."""
    forms = {data, data.translate(None, b"\0")}
    for text in plain_readings([form.decode("latin-1") for form in forms], ["latin-1"]):
        yield text.encode("latin-1", "replace")
        yield text.encode("utf-8", "replace")


def plain_readings(texts: Iterable[str], encodings: list[str]) -> set[str]:
    """What the texts say without their escapes, for octets in each of the encodings.

    `=41` is an octet in mail and a number in a URL: both are read.
    """
    found: set[str] = set()
    for text in texts:
        likely = encodings if _FOREIGN_OCTET.search(text) else encodings[:1]
        for encoding, mail in product(likely, (False, True) if "=" in text else (False,)):
            reading = text
            for _ in range(_LEVELS):
                plainer = _without_escapes(reading, encoding, mail)
                if plainer == reading:
                    break
                reading = plainer
                found.add(reading)
    return found


def _without_escapes(text: str, encoding: str, mail: bool) -> str:
    if "&" in text:
        text = _NUMBERED.sub(_numbered, text)
        text = _NAMED.sub(_named, text)
    if "%" in text or "\\" in text:
        text = _CODE_UNITS.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    if "%" in text:
        text = _OCTETS_OF_URLS.sub(lambda match: _octets(match[0], encoding), text)
    if mail:
        text = _BROKEN_LINE.sub("", text)
        text = _OCTETS_OF_MAIL.sub(lambda match: _octets(match[0], encoding), text)
    return text


def _octets(escaped: str, encoding: str) -> str:
    octets = bytes(int(escaped[at + 1 : at + 3], 16) for at in range(0, len(escaped), 3))
    try:
        return octets.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return octets.decode("latin-1")


def _numbered(match: re.Match[str]) -> str:
    number = int(match[1], 16) if match[1] else int(match[2])
    return chr(number) if 0 < number < 0x110000 else " "


def _named(match: re.Match[str]) -> str:
    name = match[1]
    if name in html5:
        return html5[name]
    for known in _WITHOUT_END:
        if name.startswith(known):
            return html5[known] + name[len(known) :]
    return match[0]

"""multipart/related by bytes (RFC 2046, RFC 2387): linear in time, bounded in memory.

Nothing is stripped from a body: it may end in white space, or in what looks like half a boundary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message

_LARGEST_HEADER = 64 * 1024
_LARGEST_PREAMBLE = 64 * 1024


class MultipartError(ValueError):
    """The bytes are no multipart message."""


@dataclass(frozen=True, slots=True)
class PartStart:
    """A part begins; header names are in lower case."""

    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """A piece of the body of the part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete."""


Event = PartStart | PartData | PartEnd


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a Content-Type, or None if it is not multipart."""
    message = Message()
    message["Content-Type"] = content_type
    if message.get_content_maintype() != "multipart":
        return None
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise MultipartError("The multipart message names no boundary.")
    try:
        return boundary.encode("latin-1")
    except UnicodeEncodeError as error:
        raise MultipartError("The boundary of the multipart message cannot be read.") from error


def parse_multipart(chunks: Iterable[bytes], boundary: bytes) -> Iterator[Event]:
    """Yields starts, pieces and ends of the parts in a stream of bytes.

    Raises:
        MultipartError: If the message is malformed or ends before its closing boundary.
    """
    delimiter = b"\r\n--" + boundary
    source = iter(chunks)
    # The first delimiter may stand without a line break before it.
    buffer = bytearray(b"\r\n")

    def more() -> bool:
        for chunk in source:
            if chunk:
                buffer.extend(chunk)
                return True
        return False

    def need(count: int) -> None:
        while len(buffer) < count:
            if not more():
                raise MultipartError("The multipart message ends early.")

    _skip_preamble(buffer, delimiter, more)
    while True:
        need(2)
        if buffer[:2] == b"--":
            return
        headers = _read_headers(buffer, more)
        yield PartStart(headers)
        yield from _read_body(buffer, delimiter, headers, more, need)
        yield PartEnd()


def _skip_preamble(buffer: bytearray, delimiter: bytes, more) -> None:  # noqa: ANN001
    while (found := buffer.find(delimiter)) < 0:
        if len(buffer) > _LARGEST_PREAMBLE or not more():
            raise MultipartError("The multipart message has no part.")
    del buffer[: found + len(delimiter)]


def _read_headers(buffer: bytearray, more) -> dict[str, str]:  # noqa: ANN001
    # White space may follow the boundary, then the line ends; a part may have no header at all.
    while (found := buffer.find(b"\r\n\r\n")) < 0:
        if len(buffer) > _LARGEST_HEADER or not more():
            raise MultipartError("The header of a part does not end.")
    lines = bytes(buffer[:found]).decode("latin-1").split("\r\n")
    del buffer[: found + 4]
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _read_body(
    buffer: bytearray,
    delimiter: bytes,
    headers: dict[str, str],
    more,
    need,  # noqa: ANN001
) -> Iterator[Event]:
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit():
        remaining = int(length)
        while remaining:
            if not buffer and not more():
                raise MultipartError("The multipart message ends early.")
            piece = bytes(buffer[:remaining])
            del buffer[: len(piece)]
            remaining -= len(piece)
            yield PartData(piece)
        need(len(delimiter))
        if buffer[: len(delimiter)] != delimiter:
            raise MultipartError("The length of a part is wrong.")
        del buffer[: len(delimiter)]
        return
    keep = len(delimiter) - 1
    searched = 0
    while (found := buffer.find(delimiter, searched)) < 0:
        if len(buffer) > keep:
            piece = bytes(buffer[: len(buffer) - keep])
            del buffer[: len(piece)]
            yield PartData(piece)
        if not more():
            raise MultipartError("The multipart message ends early.")
    if found:
        yield PartData(bytes(buffer[:found]))
    del buffer[: found + len(delimiter)]

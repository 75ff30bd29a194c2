"""Copies pixel data from stream to stream as raw bytes, never decoded, never whole in memory."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

from .codec import ITEM, LONG_VRS, SEQUENCE_END, SHORT_VRS, UNDEFINED, Encoding
from .errors import InflatesTooFar, MalformedDataset, TruncatedDataset

CHUNK = 1 << 18
LARGEST_INFLATED = 1 << 30
"""Bytes that a deflated data set may become; pixels of one value deflate to a thousandth."""

SMALL_HEADER, RATIO_OF_HEADERS = 1 << 24, 50
"""A header of bytes may become larger than the first only if it was at least a fiftieth of it: text
and numbers deflate to a tenth or so."""


class Readable(Protocol):
    """The part of a stream that is read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    """The part of a stream that is written to."""

    def write(self, data: bytes, /) -> object: ...


class Source:
    """A stream with bytes that were read ahead."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._ahead = b""

    def may_be_header(self, length: int) -> None:
        """Called while a header, which is held in memory, grows.

        Raises:
            InflatesTooFar: It was deflated, and more than a header can be.
        """
        if isinstance(self._stream, InflatingSource):
            self._stream.may_be_header(length)

    def may_be_pixels(self, length: int) -> None:
        """Called with the declared length of what comes next, before it is read.

        Raises:
            InflatesTooFar: It is deflated, and more than a deflated data set may become.
        """
        if isinstance(self._stream, InflatingSource):
            self._stream.may_be_pixels(length)

    def push_back(self, data: bytes) -> None:
        """Bytes to be read again, before those of the stream."""
        self._ahead = data + self._ahead

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            if len(data) == size:
                return data
            return data + self.read(size - len(data))
        pieces = []
        while size > 0:
            data = self._stream.read(size)
            if not data:
                break
            pieces.append(data)
            size -= len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def exactly(self, size: int) -> bytes:
        """`size` bytes.

        Raises:
            TruncatedDataset: The stream ends before.
        """
        data = self.read(size)
        if len(data) < size:
            raise TruncatedDataset("The object ends in its pixel data.")
        return data


class CountingTarget:
    """Counts what is written."""

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self.size = 0

    def write(self, data: bytes, /) -> None:
        if data:
            self._stream.write(data)
            self.size += len(data)


class InflatingSource:
    """Reads a deflated data set (PS3.5 A.5)."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = self._inflated = 0

    def may_be_header(self, length: int) -> None:
        """Raises `InflatesTooFar` where a header of this length cannot be one."""
        if length > max(SMALL_HEADER, RATIO_OF_HEADERS * self._taken):
            raise InflatesTooFar(
                f"The deflated header grows beyond {length >> 20} MiB from {self._taken >> 10} "
                "KiB, which no header does. Have the object sent in a transfer syntax that is not "
                "deflated."
            )

    def may_be_pixels(self, length: int) -> None:
        """Raises `InflatesTooFar` where so much more goes beyond the limit: nothing is inflated."""
        if self._inflated + length > LARGEST_INFLATED + CHUNK:
            raise _beyond_the_limit()

    def read(self, size: int = CHUNK, /) -> bytes:
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail
            if not data:
                data = self._stream.read(CHUNK)
                self._taken += len(data)
            if not data:
                raise TruncatedDataset("The deflated data set ends too early.")
            try:
                inflated = self._inflate.decompress(data, size)
            except zlib.error:
                raise MalformedDataset("The data set is not deflated.") from None
            self._inflated += len(inflated)
            if self._inflated > LARGEST_INFLATED:
                raise _beyond_the_limit()
            if inflated:
                return inflated
        return b""


def _beyond_the_limit() -> InflatesTooFar:
    return InflatesTooFar(
        f"The deflated data set grows beyond {LARGEST_INFLATED >> 20} MiB. Have the object sent in "
        "a transfer syntax that is not deflated."
    )


class DeflatingTarget:
    """Writes a deflated data set; `finish` ends it, to an even length (PS3.5 A.5)."""

    def __init__(self, target: CountingTarget) -> None:
        self._target = target
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)

    def write(self, data: bytes, /) -> None:
        self._target.write(self._deflate.compress(data))

    def finish(self) -> None:
        self._target.write(self._deflate.flush())
        if self._target.size & 1:
            self._target.write(b"\0")


def _read_header(source: Source, encoding: Encoding) -> tuple[bytes, bytes, int]:
    """Header, VR and length of the element at which the source stands."""
    header = source.exactly(8)
    if encoding.implicit:
        return header, b"OW", encoding.long.unpack(header)[2]
    vr, length = encoding.short.unpack(header)[2:]
    if vr in LONG_VRS or vr not in SHORT_VRS:
        extended = source.exactly(4)
        header += extended
        length = encoding.length.unpack(extended)[0]
    return header, vr, length


def copy_pixel_data(source: Source, target: Writable, encoding: Encoding) -> None:
    """Copies the pixel data element at which the source stands.

    Native pixel data has a defined length (PS3.5 8.1), encapsulated is a sequence of fragments
    (PS3.5 A.4), walked item by item.

    Raises:
        TruncatedDataset: The source ends within.
        MalformedDataset: Fragments are not delimited.
    """
    header, _, length = _read_header(source, encoding)
    target.write(header)
    if length != UNDEFINED:
        _copy(source, target, length)
        return
    while True:
        header = source.exactly(8)
        group, number, length = encoding.long.unpack(header)
        tag = group << 16 | number
        target.write(header)
        if tag == SEQUENCE_END:
            return
        if tag != ITEM or length == UNDEFINED:
            raise MalformedDataset("Encapsulated pixel data holds something other than fragments.")
        _copy(source, target, length)


@dataclass(frozen=True)
class PixelElement:
    """A pixel data element, whole in memory: only where pixels are to be changed."""

    header: bytes
    vr: bytes
    value: bytes
    encapsulated: bool


def read_pixel_data(source: Source, encoding: Encoding) -> PixelElement:
    """Reads the pixel data element at which the source stands; raises as `copy_pixel_data`."""
    header, vr, length = _read_header(source, encoding)
    collected = BytesIO()
    if length != UNDEFINED:
        _copy(source, collected, length)
        return PixelElement(header, vr, collected.getvalue(), encapsulated=False)
    source.push_back(header)
    copy_pixel_data(source, collected, encoding)
    return PixelElement(header, vr, collected.getvalue()[len(header) :], encapsulated=True)


def _copy(source: Source, target: Writable, length: int) -> None:
    source.may_be_pixels(length)
    while length > 0:
        data = source.exactly(min(length, CHUNK))
        target.write(data)
        length -= len(data)

"""Reading and writing PDUs (PS3.8 section 9.3) on a blocking socket.

One thread reads and writes; nothing polls. P-DATA is written as gathered slices of the data set,
which is neither copied nor decoded, and read into one buffer that is used again and again.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 0x05, 0x06, 0x07

RELEASE_RQ_PDU = struct.pack(">BxL4x", A_RELEASE_RQ, 4)
RELEASE_RP_PDU = struct.pack(">BxL4x", A_RELEASE_RP, 4)
# Source 0: the service user aborts (PS3.8 9.3.8).
ABORT_PDU = struct.pack(">BxL4x", A_ABORT, 4)
# Source 2, reason 2: the service provider met an unexpected PDU.
UNEXPECTED_ABORT_PDU = struct.pack(">BxL2xBB", A_ABORT, 4, 2, 2)

# Alert and handshake of RFC 8446 5.1.
_TLS_RECORDS = frozenset({0x15, 0x16})
_TLS_MAJOR_VERSION = 3

_HEADER = struct.Struct(">BxL")
_PDV_HEADER = struct.Struct(">BxLLBB")  # a PDU that holds one presentation data value
_COMMAND, _LAST = 0x01, 0x02

_BUFFER_SIZE = 512 * 1024
# Some peers do not keep to the Maximum Length that they were told. Memory is bounded all the same.
_LARGEST_PDU = 16 * 1024 * 1024
# Slower than this, in bytes a second, is taken for a peer that has stopped.
SLOWEST_RATE = 1024
_UNLIMITED_FRAGMENT = 128 * 1024
_SMALLEST_FRAGMENT = 2
_GATHER_BYTES = 1024 * 1024
_GATHER_SLICES = 512  # IOV_MAX is 1024 on Linux


class ProtocolError(ValueError):
    """The peer sent something that is no DICOM upper layer protocol."""


class TlsRecordError(ProtocolError):
    """The peer sent a TLS record: it expects TLS."""


class PduReader:
    """Reads whole PDUs from a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray(_BUFFER_SIZE)
        self._start = 0
        self._end = 0
        self._deadline = float("inf")

    def expect(self, timeout: float) -> None:
        """From now on `timeout` seconds may pass, and more for what comes at a decent rate.

        The time-out of the socket alone would let a peer go on for ever that sends a byte now and
        then.
        """
        self._deadline = time.monotonic() + timeout

    def read(self) -> tuple[int, memoryview]:
        """Returns type and body of the next PDU; the body is valid until the next call.

        Raises:
            EOFError: If the peer closed the connection.
            OSError: If the connection broke; `TimeoutError` if nothing came in time, or too slowly.
            ProtocolError: If this is no PDU; `TlsRecordError` if the peer speaks TLS.
        """
        self._fill(_HEADER.size)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        if kind in _TLS_RECORDS and self._buffer[self._start + 1] == _TLS_MAJOR_VERSION:
            raise TlsRecordError("The peer answers in TLS.")
        if not A_ASSOCIATE_RQ <= kind <= A_ABORT or length > _LARGEST_PDU:
            raise ProtocolError(f"No PDU: type {kind:#04x}, length {length}.")
        self._fill(_HEADER.size + length)
        body = self._start + _HEADER.size
        self._start = body + length
        return kind, memoryview(self._buffer)[body : self._start]

    def pending(self) -> bool:
        """Whether bytes were read that no PDU was made of yet."""
        return self._end > self._start

    def _fill(self, count: int) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        if self._start + count > len(self._buffer):
            rest = bytes(self._buffer[self._start : self._end])
            if count > len(self._buffer):
                # Views of the old buffer may live, so it is replaced and not resized.
                self._buffer = bytearray(count)
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        while self._end - self._start < count:
            with memoryview(self._buffer) as view, view[self._end :] as free:
                received = self._socket.recv_into(free)
            if not received:
                raise EOFError("The peer closed the connection.")
            self._end += received
            self._deadline += received / SLOWEST_RATE
            if self._end - self._start < count and time.monotonic() > self._deadline:
                raise TimeoutError("The peer sends too slowly.")


def split_values(body: memoryview) -> Iterator[tuple[int, bool, bool, memoryview]]:
    """The presentation data values of a P-DATA-TF: context ID, is command, is last, fragment."""
    position = 0
    while position < len(body):
        if position + 6 > len(body):
            raise ProtocolError("A presentation data value ends early.")
        length, context_id, control = struct.unpack_from(">LBB", body, position)
        end = position + 4 + length
        if length < 2 or end > len(body):
            raise ProtocolError("A presentation data value has a wrong length.")
        yield (
            context_id,
            bool(control & _COMMAND),
            bool(control & _LAST),
            body[position + 6 : end],
        )
        position = end


class PduWriter:
    """Writes PDUs to a socket; fragments are as large as the peer takes them."""

    def __init__(self, sock: socket.socket, peer_maximum: int = 0) -> None:
        self._socket = sock
        self._gathers = hasattr(sock, "sendmsg") and not isinstance(sock, ssl.SSLSocket)
        self.set_peer_maximum(peer_maximum)

    def set_peer_maximum(self, peer_maximum: int) -> None:
        """Sets the peer's Maximum Length (PS3.8 D.1); 0 means that it has no limit."""
        fragment = peer_maximum - 6 if peer_maximum else _UNLIMITED_FRAGMENT
        # Even, as fragments must be (PS3.8 Annex E.1).
        self._fragment = max(_SMALLEST_FRAGMENT, min(fragment, _GATHER_BYTES)) & ~1

    def write(self, pdu: bytes) -> None:
        """Writes an encoded PDU."""
        self._socket.sendall(pdu)

    def write_message(
        self, context_id: int, command: bytes, data: bytes | BinaryIO | None = None
    ) -> None:
        """Writes a DIMSE message; `data` is an encoded data set, or a file that holds just that.

        Only a deflated data set can have an odd length; on the wire it is padded (PS3.5 A.5).
        """
        slices: list[bytes | memoryview] = list(self._values(context_id, command, _COMMAND))
        if data is None:
            self._send(slices)
        elif isinstance(data, bytes):
            if len(data) % 2:
                data += b"\0"
            self._send_gathered(slices, self._values(context_id, data, 0))
        else:
            self._send_gathered(slices, self._file_values(context_id, data))

    def _values(
        self, context_id: int, data: bytes | memoryview, kind: int
    ) -> Iterator[bytes | memoryview]:
        view = memoryview(data)
        position, size = 0, len(view)
        while True:
            count = min(self._fragment, size - position)
            last = _LAST if position + count == size else 0
            yield _PDV_HEADER.pack(P_DATA_TF, count + 6, count + 2, context_id, kind | last)
            yield view[position : position + count]
            position += count
            if last:
                return

    def _file_values(self, context_id: int, file: BinaryIO) -> Iterator[bytes | memoryview]:
        piece = file.read(self._fragment)
        while True:
            following = file.read(self._fragment)
            last = 0 if following else _LAST
            if last and len(piece) % 2:
                piece += b"\0"
            count = len(piece)
            yield _PDV_HEADER.pack(P_DATA_TF, count + 6, count + 2, context_id, last)
            yield piece
            if last:
                return
            piece = following

    def _send_gathered(
        self, slices: list[bytes | memoryview], values: Iterable[bytes | memoryview]
    ) -> None:
        size = sum(len(piece) for piece in slices)
        for piece in values:
            slices.append(piece)
            size += len(piece)
            if size >= _GATHER_BYTES or len(slices) >= _GATHER_SLICES:
                self._send(slices)
                slices, size = [], 0
        if slices:
            self._send(slices)

    def _send(self, slices: list[bytes | memoryview]) -> None:
        if not self._gathers:
            self._socket.sendall(b"".join(slices))
            return
        sent = self._socket.sendmsg(slices)
        total = sum(len(piece) for piece in slices)
        while sent < total:
            index = 0
            while sent >= len(slices[index]):
                sent -= len(slices[index])
                index += 1
            rest: list[bytes | memoryview] = [memoryview(slices[index])[sent:]]
            slices = rest + slices[index + 1 :]
            total = sum(len(piece) for piece in slices)
            sent = self._socket.sendmsg(slices)

"""Reading PDUs (PS3.8 9.3) from a peer whom nobody trusts: bounded in size and in time.

A plain socket stays blocking with the system's own time-out, so that the bytes of a PDU come with
one call to the system and one turn of the interpreter's lock, however small the peer's packets.
"""

import socket
import ssl
import struct
import time

from adit.core.dicom.dimse.pdus import A_ABORT, A_ASSOCIATE_RQ, ProtocolError

MAXIMUM_PDU = 131072
"""The largest P-DATA-TF that is announced to peers (PS3.8 D.1)."""

# A request with 128 contexts of dozens of transfer syntaxes each fits.
LARGEST_REQUEST = 1 << 20
# Some peers count their headers differently.
_TOLERANCE = 1024
_HEADER = struct.Struct(">BxL")
_TIMEVAL = struct.Struct("@qq")
_BUFFER = 512 * 1024


class PduSource:
    """Reads whole PDUs."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._is_plain = not isinstance(sock, ssl.SSLSocket) and hasattr(socket, "MSG_WAITALL")
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._timeout = -1.0
        self.largest = LARGEST_REQUEST

    def negotiated(self) -> None:
        """From now on no PDU may be larger than was announced."""
        self.largest = MAXIMUM_PDU + _TOLERANCE

    def has_pdu(self) -> bool:
        """Whether `read` returns at once, from what has been read already."""
        have = self._end - self._start
        if have < _HEADER.size:
            return False
        return have >= _HEADER.size + _HEADER.unpack_from(self._buffer, self._start)[1]

    def read(self, wait: float, transfer: float) -> tuple[int, memoryview]:
        """Type and body of the next PDU; the body is valid until a call after `has_pdu` is false.

        Args:
            wait: Seconds until its first byte must have come.
            transfer: Seconds that the rest may take.

        Raises:
            EOFError: The peer closed the connection.
            TimeoutError: It was too slow.
            OSError: The connection broke.
            ProtocolError: This is no PDU, or too large a one.
        """
        if self._end - self._start < _HEADER.size:
            self._make_room(_HEADER.size)
            if self._start == self._end:
                self._receive(len(self._buffer) - self._end, wait)
            self._fill(_HEADER.size, time.monotonic() + transfer)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        if not A_ASSOCIATE_RQ <= kind <= A_ABORT or length > self.largest:
            raise ProtocolError(f"No PDU: type {kind:#04x}, length {length}.")
        total = _HEADER.size + length
        if self._end - self._start < total:
            self._make_room(total)
            self._fill(total, time.monotonic() + transfer)
        body = self._start + _HEADER.size
        self._start += total
        return kind, self._view[body : self._start]

    def _make_room(self, count: int) -> None:
        """Let so many bytes fit from the start of what is still unread."""
        if self._start + count <= len(self._buffer) and self._start != self._end:
            return
        rest = bytes(self._view[self._start : self._end])
        if count > len(self._buffer):
            self._buffer = bytearray(count)
            self._view = memoryview(self._buffer)
        self._view[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    def _fill(self, count: int, deadline: float) -> None:
        while (missing := self._start + count - self._end) > 0:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("The peer is too slow.")
            self._receive(missing, max(left, 0.001), whole=True)

    def _receive(self, count: int, timeout: float, *, whole: bool = False) -> None:
        free = self._view[self._end : self._end + count]
        if not self._is_plain:
            self._socket.settimeout(timeout)
            received = self._socket.recv_into(free)
        else:
            # A new deadline need not be set to the millisecond.
            if not 0 <= self._timeout - timeout < 1:
                self._set_timeout(timeout)
            flags = socket.MSG_WAITALL if whole else 0
            try:
                received = self._socket.recv_into(free, count, flags)
            except BlockingIOError as error:
                raise TimeoutError("The peer is too slow.") from error
        if not received:
            raise EOFError("The peer closed the connection.")
        self._end += received

    def _set_timeout(self, seconds: float) -> None:
        self._timeout = seconds = max(seconds, 0.01)
        value = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)


def prepare(sock: socket.socket, send_timeout: float) -> None:
    """Make the socket ready for a `PduSource`, and bound how long a write may take."""
    if isinstance(sock, ssl.SSLSocket) or not hasattr(socket, "MSG_WAITALL"):
        sock.settimeout(send_timeout)
        return
    sock.settimeout(None)
    value = _TIMEVAL.pack(int(send_timeout), 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

"""Reading PDUs (PS3.8 9.3) from a peer whom nobody trusts: bounded in size and in time.

A plain socket stays blocking with the system's own time-out, so that the bytes of a PDU come with
one call to the system and one turn of the interpreter's lock, however small the peer's packets.
"""

import socket
import ssl
import struct
import time

from adit.core.dicom.dimse.pdus import A_ABORT, A_ASSOCIATE_RQ, P_DATA_TF, ProtocolError

MAXIMUM_PDU = 131072
"""The largest P-DATA-TF that is announced to peers (PS3.8 D.1)."""

TICK_SECONDS = 5.0
"""How exactly time-outs are kept; to set them for each call would cost one more."""

LEAST_WAIT = 0.001
"""Who waits no longer takes what is here already, and nothing else."""

# A request with 128 contexts of dozens of transfer syntaxes each fits.
LARGEST_REQUEST = 1 << 20
# Some peers count their headers differently.
_TOLERANCE = 1024
_HEADER = struct.Struct(">BxL")
# Of a P-DATA-TF and its first presentation data value (PS3.8 9.3.5).
_DATA_HEADER = struct.Struct(">BxLLBB")
_VALUE_HEADER_SIZE = 6
_TIMEVAL = struct.Struct("@qq")
# As much as a large slice and its headers: what has been read is seldom moved then.
_BUFFER = 1024 * 1024
# Before somebody has said who it is; it grows with what comes, and not with what is announced.
_FIRST_BUFFER = 8 * 1024


class PduSource:
    """Reads whole PDUs."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._is_plain = not isinstance(sock, ssl.SSLSocket) and hasattr(socket, "MSG_WAITALL")
        self._buffer = bytearray(_FIRST_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self.largest = LARGEST_REQUEST

    def negotiated(self) -> None:
        """From now on no PDU may be larger than was announced, and there is room for many."""
        self.largest = MAXIMUM_PDU + _TOLERANCE
        self._move(_BUFFER)

    def has_pdu(self) -> bool:
        """Whether `read` returns at once, from what has been read already."""
        have = self._end - self._start
        if have < _HEADER.size:
            return False
        return have >= _HEADER.size + _HEADER.unpack_from(self._buffer, self._start)[1]

    def read_fragments(self, context_id: int) -> list[memoryview]:
        """Fragments of a data set that lie whole in the buffer, up to whatever is something else.

        Senders cut an instance into dozens of P-DATA-TF with one fragment each: what is read of it
        at once is taken at once. Anything else is left to `read`, and so is the last fragment. They
        are valid as long as the body that `read` gives.
        """
        fragments: list[memoryview] = []
        start, end = self._start, self._end
        while start + _DATA_HEADER.size <= end:
            kind, length, value_length, context, control = _DATA_HEADER.unpack_from(
                self._buffer, start
            )
            following = start + _HEADER.size + length
            if (
                kind != P_DATA_TF
                or context != context_id
                or control != 0
                or not 2 <= value_length == length - 4
                or length > self.largest
                or following > end
            ):
                break
            fragments.append(self._view[start + _HEADER.size + _VALUE_HEADER_SIZE : following])
            start = following
        self._start = start
        return fragments

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
        self._move(len(self._buffer))

    def _move(self, size: int) -> None:
        """Move what is still unread to the start of a buffer of that size."""
        rest = bytes(self._view[self._start : self._end])
        if size > len(self._buffer):
            self._buffer = bytearray(size)
            self._view = memoryview(self._buffer)
        self._view[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    def _fill(self, count: int, deadline: float) -> None:
        while (missing := self._start + count - self._end) > 0:
            if self._end == len(self._buffer):
                self._move(2 * len(self._buffer))
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("The peer is too slow.")
            self._receive(missing, max(left, LEAST_WAIT), whole=True)

    def _receive(self, count: int, timeout: float, *, whole: bool = False) -> None:
        free = self._view[self._end : self._end + count]
        if not self._is_plain:
            self._socket.settimeout(timeout)
            received = self._socket.recv_into(free)
        else:
            received = self._receive_plain(free, timeout, whole)
        if not received:
            raise EOFError("The peer closed the connection.")
        self._end += received

    def _receive_plain(self, free: memoryview, timeout: float, whole: bool) -> int:
        """One call as a rule; after each tick of the socket's time-out the time is looked at."""
        deadline = time.monotonic() + timeout
        flags = socket.MSG_WAITALL if whole else 0
        if timeout <= LEAST_WAIT:
            flags |= socket.MSG_DONTWAIT
        while True:
            try:
                return self._socket.recv_into(free, len(free), flags)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise TimeoutError("The peer is too slow.") from error


def prepare(sock: socket.socket, send_timeout: float) -> None:
    """Make the socket ready for a `PduSource`, and bound how long a write may take."""
    if isinstance(sock, ssl.SSLSocket) or not hasattr(socket, "MSG_WAITALL"):
        sock.settimeout(send_timeout)
        return
    sock.settimeout(None)
    for option, seconds in ((socket.SO_SNDTIMEO, send_timeout), (socket.SO_RCVTIMEO, TICK_SECONDS)):
        value = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, option, value)

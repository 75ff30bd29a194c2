"""FileTransmit: how spooled files get from a receiver to a worker on another host. No Django.

A TCP connection (inside TLS, if wanted) on which the worker asks and the receiver answers:

1. Handshake, mutual, by a shared key that never crosses the wire:
   receiver: magic (8 bytes), nonce R (32 bytes);
   worker:   nonce W (32), HMAC-SHA256(key, "worker" R W);
   receiver: HMAC-SHA256(key, "receiver" R W), or 32 zero bytes if it does not accept the key.
2. Messages: length (64 bits, big endian), HMAC-SHA256 over a running number and the body, body
   (JSON). The key of these is made from the shared key and both nonces, so no message can be
   altered, repeated, reordered or sent back.
3. `{"get": name, "offset": n}` is answered by `{"size": s}` and then the bytes of the file from
   the offset, led by their count (64 bits); or by `{"error": "missing"}`.
   After a break the worker connects again and asks for the rest.
4. `{"acknowledge": name}` deletes the file and is answered by `{"acknowledged": name}`.

What the file holds is proved by the SHA-256 in the database.
"""

import hashlib
import hmac
import json
import secrets
import socket
import struct
import time
from typing import Any

MAGIC = b"ADITFT1\n"
CHUNK = 1 << 20
LARGEST_MESSAGE = 1 << 16
_NONCE = 32
_MAC = 32
_LENGTH = struct.Struct(">Q")
HANDSHAKE_SECONDS = 10.0
"""So long the other side may take to prove itself, all in all."""

_MESSAGE_SECONDS = 30.0


class TransmitError(Exception):
    """The other side does not keep to the protocol."""


class AuthenticationError(TransmitError):
    """The other side does not have the key."""


class TransmitBroken(TransmitError):
    """The connection ended too early; a new one may do better."""


class Channel:
    """An authenticated connection. `accept` and `connect` make one."""

    def __init__(self, sock: socket.socket, key: bytes, *, sends_as: bytes, hears: bytes) -> None:
        self.socket = sock
        self._key = key
        self._sends_as, self._hears = sends_as, hears
        self._sent = self._received = 0

    @classmethod
    def accept(cls, sock: socket.socket, key: str) -> "Channel":
        """Authenticate a worker, as the receiver.

        Raises:
            AuthenticationError: It does not have the key.
            TransmitBroken: It went away.
        """
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        nonce = secrets.token_bytes(_NONCE)
        send_all(sock, MAGIC + nonce)
        answer = receive(sock, _NONCE + _MAC, deadline)
        nonces = nonce + answer[:_NONCE]
        if not hmac.compare_digest(answer[_NONCE:], _mac(key.encode(), b"worker", nonces)):
            send_all(sock, bytes(_MAC))
            raise AuthenticationError("The worker does not have the key.")
        send_all(sock, _mac(key.encode(), b"receiver", nonces))
        session = _mac(key.encode(), b"session", nonces)
        return cls(sock, session, sends_as=b"R", hears=b"W")

    @classmethod
    def connect(cls, sock: socket.socket, key: str) -> "Channel":
        """Authenticate a receiver, as the worker.

        Raises:
            AuthenticationError: It does not have our key, or does not speak this protocol.
            TransmitBroken: It went away.
        """
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        start = receive(sock, len(MAGIC) + _NONCE, deadline)
        if not start.startswith(MAGIC):
            raise AuthenticationError("This is no FileTransmit server.")
        own = secrets.token_bytes(_NONCE)
        nonces = start[len(MAGIC) :] + own
        send_all(sock, own + _mac(key.encode(), b"worker", nonces))
        proof = receive(sock, _MAC, deadline)
        if not hmac.compare_digest(proof, _mac(key.encode(), b"receiver", nonces)):
            raise AuthenticationError("The receiver does not have the key.")
        session = _mac(key.encode(), b"session", nonces)
        return cls(sock, session, sends_as=b"W", hears=b"R")

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            TransmitBroken: The connection is gone.
        """
        body = json.dumps(message).encode()
        mac = _mac(self._key, self._sends_as, _LENGTH.pack(self._sent), body)
        self._sent += 1
        send_all(self.socket, _LENGTH.pack(len(body)) + mac + body)

    def receive(self, idle_seconds: float = _MESSAGE_SECONDS) -> dict[str, Any]:
        """Wait for a message, so many seconds until it begins.

        Raises:
            TransmitBroken: The connection is gone, or too slow.
            TransmitError: This is no message of the other side.
        """
        start = receive(self.socket, 1, time.monotonic() + idle_seconds)
        deadline = time.monotonic() + _MESSAGE_SECONDS
        rest = receive(self.socket, _LENGTH.size - 1, deadline)
        (length,) = _LENGTH.unpack(start + rest)
        if length > LARGEST_MESSAGE:
            raise TransmitError("The message is too long.")
        mac = receive(self.socket, _MAC, deadline)
        body = receive(self.socket, length, deadline)
        expected = _mac(self._key, self._hears, _LENGTH.pack(self._received), body)
        if not hmac.compare_digest(mac, expected):
            raise AuthenticationError("The message is not authentic.")
        self._received += 1
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise TransmitError("The message is no JSON that can be read.") from error
        if not isinstance(message, dict):
            raise TransmitError("The message is no object.")
        return message

    def send_count(self, count: int) -> None:
        """Announce so many bytes, which the caller then sends."""
        send_all(self.socket, _LENGTH.pack(count))

    def receive_count(self) -> int:
        """How many bytes follow, which the caller then receives."""
        deadline = time.monotonic() + _MESSAGE_SECONDS
        return _LENGTH.unpack(receive(self.socket, _LENGTH.size, deadline))[0]


def receive(sock: socket.socket, count: int, deadline: float) -> bytes:
    """Receive exactly so many bytes before a time of the monotonic clock.

    Raises:
        TransmitBroken: The connection ended before, or was too slow.
    """
    before = sock.gettimeout()
    data = bytearray(count)
    view, position = memoryview(data), 0
    while position < count:
        try:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            received = sock.recv_into(view[position:])
        except OSError as error:
            raise TransmitBroken("The connection broke.") from error
        if not received:
            raise TransmitBroken("The connection was closed.")
        position += received
    sock.settimeout(before)
    return bytes(data)


def send_all(sock: socket.socket, data: bytes) -> None:
    """Send all bytes.

    Raises:
        TransmitBroken: The connection is gone.
    """
    try:
        sock.sendall(data)
    except OSError as error:
        raise TransmitBroken("The connection broke.") from error


def _mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()

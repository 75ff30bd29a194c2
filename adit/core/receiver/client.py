"""The worker's side of FileTransmit: fetches spooled files from a receiver on another host."""

import socket
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .protocol import CHUNK, AuthenticationError, Channel, TransmitBroken, TransmitError
from .tls import WorkerTls, WrongCertificate

_CONNECT_TIMEOUT = 10.0
_NETWORK_TIMEOUT = 60.0
_WAITS = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
_TRIES_TO_BEGIN = 3
# A connection that brings less before it breaks is no better than none.
_PROGRESS = 64 * 1024


class FileMissing(TransmitError):
    """The receiver does not have the file (any more)."""


class FileTransmitClient:
    """A connection to one receiver, made when it is needed and again after a break."""

    def __init__(self, host: str, port: int, key: str, *, tls: WorkerTls | None = None) -> None:
        self._address = (host, port)
        self._key = key
        self._tls = tls
        self._channel: Channel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def fetch(
        self, name: str, write: Callable[[bytes], object], *, largest: int | None = None
    ) -> int:
        """Fetch a file and hand its bytes to `write`, each once, also over several connections.

        Args:
            largest: A file of more bytes is refused.

        Returns:
            The size of the file.

        Raises:
            FileMissing: The receiver does not have it.
            TransmitError: It could not be fetched, after several tries without any progress.
            OSError: `write` failed.
        """
        position, size, failures = 0, -1, 0
        while position != size:
            before = position
            try:
                channel = self._connected()
                channel.send({"get": name, "offset": position})
                answer = channel.receive()
                if answer.get("error") == "missing":
                    raise FileMissing("The receiver does not have the file.")
                size = _checked_size(answer, size, largest)
                left = channel.receive_count()
                if position + left != size:
                    raise TransmitError("The receiver announced two different sizes.")
                while left:
                    piece = self._piece(channel, min(CHUNK, left))
                    write(piece)
                    position += len(piece)
                    left -= len(piece)
            except TransmitBroken:
                self.close()
                failures = 0 if position >= before + _PROGRESS else failures + 1
                # What has not begun can be asked for again later; meanwhile others may be served.
                self._pause(failures, len(_WAITS) if position else _TRIES_TO_BEGIN)
            except BaseException:
                self.close()
                raise
        return size

    def acknowledge(self, name: str) -> None:
        """Tell the receiver to delete the file; asked twice, it is deleted once.

        Raises:
            TransmitError: The receiver could not be told.
        """
        failures = 0
        while True:
            try:
                channel = self._connected()
                channel.send({"acknowledge": name})
                if channel.receive().get("acknowledged") != name:
                    raise TransmitError("The receiver did not delete the file.")
                return
            except TransmitBroken:
                self.close()
                failures += 1
                self._pause(failures, _TRIES_TO_BEGIN)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._channel is not None:
            self._channel.socket.close()
            self._channel = None

    def _connected(self) -> Channel:
        if self._channel is None:
            try:
                sock = socket.create_connection(self._address, _CONNECT_TIMEOUT)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(_NETWORK_TIMEOUT)
                if self._tls is not None:
                    sock = self._shake_hands(sock, self._tls)
            except ssl.SSLCertVerificationError as error:
                raise AuthenticationError("The receiver's certificate is not trusted.") from error
            except OSError as error:
                raise TransmitBroken("The receiver cannot be reached.") from error
            try:
                self._channel = Channel.connect(sock, self._key)
            except BaseException:
                sock.close()
                raise
        return self._channel

    def _shake_hands(self, plain: socket.socket, tls: WorkerTls) -> ssl.SSLSocket:
        try:
            sock = tls.ssl_context().wrap_socket(plain, server_hostname=self._address[0])
        except BaseException:
            plain.close()
            raise
        try:
            tls.check(sock)
        except WrongCertificate as error:
            sock.close()
            raise AuthenticationError("The receiver shows another certificate.") from error
        return sock

    def _piece(self, channel: Channel, most: int) -> bytes:
        try:
            piece = channel.socket.recv(most)
        except OSError as error:
            raise TransmitBroken("The connection broke.") from error
        if not piece:
            raise TransmitBroken("The connection was closed.")
        return piece

    def _pause(self, failures: int, most: int) -> None:
        if failures > most:
            raise TransmitError("The receiver cannot be reached.")
        if failures:
            time.sleep(_WAITS[failures - 1])


def _checked_size(answer: dict[str, Any], before: int, largest: int | None) -> int:
    size = answer.get("size")
    if type(size) is not int or size < 0 or before not in (-1, size):
        raise TransmitError("The receiver announced no sensible size.")
    if largest is not None and size > largest:
        raise TransmitError("The file is larger than what was received.")
    return size


__all__ = ["AuthenticationError", "FileMissing", "FileTransmitClient", "TransmitError"]

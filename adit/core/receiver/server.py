"""The receiver's side of FileTransmit: gives spooled files to workers of other hosts."""

import contextlib
import logging
import socket
import ssl
import threading

from .protocol import (
    HANDSHAKE_SECONDS,
    AuthenticationError,
    Channel,
    TransmitBroken,
    TransmitError,
)
from .spool import Spool, SpoolError

_SEND_SECONDS = 60.0
_IDLE_SECONDS = 300.0
_MOST_CONNECTIONS = 512
# Those that have not proved themselves yet; beyond that the oldest has to go.
_MOST_STRANGERS = 64

logger = logging.getLogger(__name__)


class FileTransmitServer:
    """Serves the files of one spool, each connection in a thread of its own."""

    def __init__(
        self,
        spool: Spool,
        key: str,
        listener: socket.socket,
        *,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare to serve what calls at a listening socket.

        Raises:
            ValueError: The key is empty.
        """
        if not key:
            raise ValueError("FileTransmit needs a key.")
        self._spool = spool
        self._key = key
        self._ssl_context = ssl_context
        self._listener = listener
        self._stopping = threading.Event()
        # Whether who calls has proved itself, by socket, oldest first.
        self._sockets: dict[socket.socket, bool] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="file-transmit", daemon=True)

    @property
    def port(self) -> int:
        """Where workers call."""
        return self._listener.getsockname()[1]

    def start(self) -> None:
        """Take connections."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections; a worker resumes with the next start."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.close_connections()

    def close_connections(self) -> None:
        """Cut what is open; workers connect again."""
        with self._lock:
            for sock in self._sockets:
                _cut(sock)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                self._stopping.wait(0.05)  # out of file descriptors, or about to stop
                continue
            if not self._admit(sock):
                sock.close()
                continue
            try:
                threading.Thread(
                    target=self._serve, args=(sock,), name="file-transmit-worker", daemon=True
                ).start()
            except RuntimeError:
                self._forget(sock)
                sock.close()

    def _admit(self, sock: socket.socket) -> bool:
        with self._lock:
            strangers = [one for one, is_known in self._sockets.items() if not is_known]
            if len(strangers) >= _MOST_STRANGERS:
                _cut(strangers[0])
                del self._sockets[strangers[0]]
            elif len(self._sockets) >= _MOST_CONNECTIONS:
                return False
            self._sockets[sock] = False
            return True

    def _forget(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.pop(sock, None)

    def _serve(self, plain: socket.socket) -> None:
        sock = plain
        try:
            sock.settimeout(HANDSHAKE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._ssl_context is not None:
                # A duplicate, so that the plain one can still be cut from another thread.
                sock = self._ssl_context.wrap_socket(plain.dup(), server_side=True)
            channel = Channel.accept(sock, self._key)
            with self._lock:
                if plain in self._sockets:
                    self._sockets[plain] = True
            sock.settimeout(_SEND_SECONDS)
            while True:
                self._answer(channel, channel.receive(_IDLE_SECONDS))
        except AuthenticationError as error:
            logger.warning("FileTransmit: %s", error)
        except TransmitBroken:
            pass
        except (TransmitError, SpoolError, OSError) as error:
            logger.warning("FileTransmit: a connection was ended: %s", type(error).__name__)
        except Exception:
            logger.exception("FileTransmit: a connection ended by an error of the receiver.")
        finally:
            self._forget(plain)
            sock.close()
            plain.close()

    def _answer(self, channel: Channel, request: dict) -> None:
        if isinstance(name := request.get("acknowledge"), str):
            self._spool.remove(name)  # a name of something else ends the connection
            channel.send({"acknowledged": name})
        elif isinstance(name := request.get("get"), str):
            self._send_file(channel, name, request.get("offset"))
        else:
            raise TransmitError("The request is not known.")

    def _send_file(self, channel: Channel, name: str, offset: object) -> None:
        try:
            file = self._spool.path(name).open("rb")
        except (FileNotFoundError, SpoolError):
            channel.send({"error": "missing"})
            return
        with file:
            size = file.seek(0, 2)
            if type(offset) is not int or not 0 <= offset <= size:
                raise TransmitError("The offset is outside of the file.")
            file.seek(offset)
            channel.send({"size": size})
            channel.send_count(size - offset)
            if size > offset:
                try:
                    channel.socket.sendfile(file, offset)
                except OSError as error:
                    raise TransmitBroken("The connection broke.") from error


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)

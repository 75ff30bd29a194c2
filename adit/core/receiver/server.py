"""The receiver's side of FileTransmit: gives spooled files to workers of other hosts."""

import logging
import socket
import ssl
import threading

from .protocol import AuthenticationError, Channel, TransmitBroken, TransmitError
from .spool import Spool, SpoolError

_HANDSHAKE_TIMEOUT = 10.0
_IDLE_TIMEOUT = 300.0

logger = logging.getLogger(__name__)


class FileTransmitServer:
    """Serves the files of one spool, each connection in a thread of its own."""

    def __init__(
        self,
        spool: Spool,
        key: str,
        *,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare to serve; port 0 takes a free one.

        Raises:
            ValueError: The key is empty.
        """
        if not key:
            raise ValueError("FileTransmit needs a key.")
        self.host = host
        self.port = port
        self._spool = spool
        self._key = key
        self._ssl_context = ssl_context
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="file-transmit", daemon=True)

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=64)
        self.port = self._listener.getsockname()[1]
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections; a worker resumes with the next start."""
        self._stopping.set()
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        listener.close()
        self.close_connections()

    def close_connections(self) -> None:
        """Cut what is open; workers connect again."""
        with self._lock:
            for sock in self._sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def _accept(self) -> None:
        listener = self._listener
        assert listener is not None
        while not self._stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                self._stopping.wait(0.05)  # out of file descriptors, or about to stop
                continue
            threading.Thread(
                target=self._serve, args=(sock,), name="file-transmit-worker", daemon=True
            ).start()

    def _serve(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.add(sock)
        plain = sock
        try:
            sock.settimeout(_HANDSHAKE_TIMEOUT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._ssl_context is not None:
                sock = self._ssl_context.wrap_socket(sock, server_side=True)
            channel = Channel.accept(sock, self._key)
            sock.settimeout(_IDLE_TIMEOUT)
            while True:
                self._answer(channel, channel.receive())
        except AuthenticationError as error:
            logger.warning("FileTransmit: %s", error)
        except TransmitBroken:
            pass
        except (TransmitError, SpoolError, OSError) as error:
            logger.warning("FileTransmit: %s", error)
        finally:
            with self._lock:
                self._sockets.discard(plain)
            sock.close()

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
            if not isinstance(offset, int) or not 0 <= offset <= size:
                raise TransmitError("The offset is outside of the file.")
            file.seek(offset)
            channel.send({"size": size})
            channel.send_count(size - offset)
            if size > offset:
                try:
                    channel.socket.sendfile(file, offset)
                except OSError as error:
                    raise TransmitBroken("The connection broke.") from error

"""HTTPS in front of a plain HTTP server, as a reverse proxy is in front of many a PACS.

The Orthanc of Debian 12 ends with a segmentation fault at its first HTTPS request, so its own HTTPS
cannot be tested with.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

from adit.core.dicom.tests.certificates import Certificate


class TlsFront:
    """Ends TLS and passes the bytes on to `port` at this host."""

    def __init__(self, certificate: Certificate, port: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            outer = self._context.wrap_socket(sock, server_side=True)
            inner = socket.create_connection(("127.0.0.1", self._target))
            for pair in ((outer, inner), (inner, outer)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()

"""DICOMweb servers for tests, on a real socket: they answer what a test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from adit.core.dicom import ServerConfig


@contextlib.contextmanager
def web_server(answer: Callable[[socket.socket, bytes, bytes], None]) -> Iterator[ServerConfig]:
    """Reads each request to its end, calls `answer(socket, head, body)` and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=handle, args=(sock,), daemon=True).start()

    def handle(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            while len(body) < length:
                body += sock.recv(65536)
            answer(sock, head, body)

    threading.Thread(target=serve, daemon=True).start()
    yield ServerConfig(
        name="WEB",
        dicomweb_root_url=f"http://127.0.0.1:{listener.getsockname()[1]}/dicom-web",
        dicomweb_qido_support=True,
        dicomweb_wado_support=True,
        dicomweb_stow_support=True,
        dicomweb_authorization="Bearer secret",
    )
    listener.close()


def respond(
    sock, status, body=b"", content_type="application/dicom+json", length=None, encoding=""
):
    if encoding:
        content_type += f"\r\nContent-Encoding: {encoding}"
    head = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\nConnection: close\r\n\r\n"
    )
    sock.sendall(head.encode() + body)


def redirect(sock, status, location):
    head = f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n"
    sock.sendall(f"{head}Connection: close\r\n\r\n".encode())

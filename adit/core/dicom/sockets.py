"""Socket options that every DICOM connection of ours has, called or calling."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from pynetdicom import evt

from .cancel import CancelToken


def tune_socket(sock: socket.socket) -> None:
    """Sets TCP_NODELAY and SO_KEEPALIVE.

    DIMSE is a dialogue of small commands: with Nagle's algorithm on, each one may wait for a
    delayed acknowledgement (about 40 ms). Keep-alive finds peers that vanished without a word.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _on_connection_open(event: evt.Event) -> None:
    association_socket = event.assoc.dul.socket
    if association_socket is not None and association_socket.socket is not None:
        tune_socket(association_socket.socket)


def tuning_handlers() -> list[Any]:
    """Event handlers for pynetdicom's `associate` and `start_server` that tune each socket."""
    return [(evt.EVT_CONN_OPEN, _on_connection_open)]


def connect(
    host: str,
    port: int,
    *,
    timeout: float,
    ssl_context: ssl.SSLContext | None = None,
    cancel: CancelToken | None = None,
) -> socket.socket:
    """Opens a tuned TCP (or TLS) connection; `timeout` counts for each address and handshake.

    Raises:
        OSError: Including `socket.gaierror`, `TimeoutError` and `ssl.SSLError`.
        Canceled: If `cancel` is set before or after; connecting itself is bounded by `timeout`.
    """
    if cancel is not None:
        cancel.check()
    sock = socket.create_connection((host, port), timeout=timeout)
    try:
        if cancel is not None:
            cancel.check()
        tune_socket(sock)
        if ssl_context is not None:
            sock = ssl_context.wrap_socket(sock, server_hostname=host)
        return sock
    except BaseException:
        sock.close()
        raise

"""Socket options that every DICOM connection of ours has, called or calling."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import threading
import time
from typing import Any

from pynetdicom import evt

from .cancel import CancelToken

_NOT_TLS = (TimeoutError, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class NoHandshake(ConnectionError):
    """The peer did not take part in the TLS handshake.

    Attributes:
        timed_out: Whether it said nothing at all; else it closed the connection.
    """

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("The peer does not take part in the handshake.")
        self.timed_out = timed_out


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
    """Opens a tuned TCP (or TLS) connection within `timeout` seconds, all steps together.

    Raises:
        OSError: Including `socket.gaierror`, `TimeoutError`, `ssl.SSLError` and `NoHandshake`.
        Canceled: As soon as `cancel` is set.
    """
    cancel = cancel or CancelToken()
    deadline = time.monotonic() + timeout
    failure: OSError | None = None
    for family, address in _resolve(host, port, deadline, cancel):
        try:
            sock = _connect(family, address, deadline, cancel)
        except OSError as error:
            failure = failure or error
            continue
        try:
            tune_socket(sock)
            if ssl_context is None:
                return sock
            return secure(sock, ssl_context, host, deadline, cancel)
        except BaseException:
            sock.close()
            raise
    raise failure or OSError("The host has no address.")


def _resolve(
    host: str, port: int, deadline: float, cancel: CancelToken
) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of a host. The resolver cannot be interrupted, so a thread waits for it."""
    cancel.check()
    found: list[tuple[socket.AddressFamily, Any]] = []
    failures: list[OSError] = []
    done = threading.Event()

    def ask(flags: int = 0) -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
            found.extend((family, address) for family, _, _, _, address in answers)
        except (OSError, UnicodeError) as error:
            failures.append(error if isinstance(error, OSError) else socket.gaierror(str(error)))
        done.set()

    ask(socket.AI_NUMERICHOST)
    if found:
        return found
    failures.clear()
    done.clear()
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    with cancel.on_cancel(done.set):
        done.wait(max(0.0, deadline - time.monotonic()))
    cancel.check()
    if failures:
        raise failures[0]
    if not found:
        raise TimeoutError("The host name was not resolved in time.")
    return found


def _connect(
    family: socket.AddressFamily, address: Any, deadline: float, cancel: CancelToken
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    wake, waker = socket.socketpair()
    try:
        sock.setblocking(False)
        with wake, waker, cancel.on_cancel(lambda: _wake(waker)):
            error = sock.connect_ex(address)
            if error not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                raise OSError(error, "The connection could not be opened.")
            poll = select.poll()
            poll.register(wake, select.POLLIN)
            poll.register(sock, select.POLLOUT)
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        cancel.check()
        if not ready:
            raise TimeoutError("The connection was not opened in time.")
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "The connection could not be opened.")
        sock.settimeout(max(0.1, deadline - time.monotonic()))
        return sock
    except BaseException:
        sock.close()
        raise


def _wake(waker: socket.socket) -> None:
    with contextlib.suppress(OSError):
        waker.send(b"\0")


def secure(
    sock: socket.socket,
    context: ssl.SSLContext,
    host: str,
    deadline: float,
    cancel: CancelToken,
) -> socket.socket:
    """TLS over a socket; `deadline` is the time of the monotonic clock at which it must stand.

    Raises:
        OSError: Including `ssl.SSLError` and `NoHandshake`.
        Canceled: As soon as `cancel` is set.
    """
    secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        # The handshake as a whole may take as long as the time-out of the socket.
        secured.settimeout(max(0.1, deadline - time.monotonic()))
        with cancel.on_cancel(lambda: _shut_down(secured)):
            try:
                secured.do_handshake()
            except _NOT_TLS as error:
                cancel.check()
                raise NoHandshake(timed_out=isinstance(error, TimeoutError)) from error
        cancel.check()
        return secured
    except BaseException:
        secured.close()
        raise


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

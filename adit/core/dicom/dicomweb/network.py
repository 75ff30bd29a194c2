"""The connections of DICOMweb, opened as those of DIMSE are: a cancel ends whatever waits.

The HTTP library knows no way to end a connection that is only being opened, and no limit for a head
(RFC 9112 2.1) of which a piece comes now and then.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore
import httpx

from ..cancel import CancelToken
from ..sockets import NoHandshake, connect, secure

# What says more than that no connection could be opened: it is left as it is.
_TELLING = (NoHandshake, ssl.SSLError, socket.gaierror)
_DEFAULT_TIMEOUT = 10.0


class Network(httpcore.NetworkBackend):
    """Opens sockets for one client, and knows all that are open."""

    def __init__(self, cancel: CancelToken) -> None:
        self.cancel = cancel
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._waits = threading.local()

    def transport(self, verify: ssl.SSLContext | bool) -> httpx.HTTPTransport:
        """A transport for an `httpx.Client` whose connections are opened here."""
        context = httpx.create_ssl_context(verify, trust_env=False)
        transport = httpx.HTTPTransport(verify=context, trust_env=False)
        transport._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=self,
        )
        return transport

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Opens a connection; raises Canceled as soon as the token is set."""
        patience = _DEFAULT_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + patience
        try:
            sock = connect(host, port, timeout=patience, cancel=self.cancel)
        except _TELLING:
            raise
        except OSError as error:
            raise _not_opened(error) from error
        return _Stream(self, self.known(sock), deadline)

    def known(self, sock: socket.socket) -> socket.socket:
        """The same socket, which a cancel shuts down from now on.

        Raises:
            Canceled: If the token is set already.
        """
        with self._lock:
            self._sockets.add(sock)
        # Set before this, it may not have met the socket; set later, it does.
        if self.cancel.canceled:
            sock.close()
        self.cancel.check()
        return sock

    def shut_down(self) -> None:
        """Wakes the threads that wait for the server, be it for the head or for the body."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def trace(self, patience: float) -> Any:
        """For the trace extension of a request: its head may take `patience` seconds as a whole."""

        def note(event: str, _info: Mapping[str, Any]) -> None:
            if event == "http11.receive_response_headers.started":
                self._waits.until = time.monotonic() + patience
            elif event.startswith("http11.receive_response_headers."):
                self._waits.until = None

        return note

    def time_left(self, timeout: float | None) -> float | None:
        """So long this thread may wait for what comes next; the whole head has one time-out.

        Raises:
            TimeoutError: If that is over.
        """
        until = getattr(self._waits, "until", None)
        if until is None:
            return timeout
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("The head of the answer does not end.")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, network: Network, sock: socket.socket, deadline: float) -> None:
        self._network = network
        self._socket = sock
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._socket.settimeout(self._network.time_left(timeout))
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        try:
            while left:
                self._socket.settimeout(timeout)
                left = left[self._socket.send(left) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Within what is left of the time to connect, as it is for DIMSE."""
        network = self._network
        try:
            sock = secure(
                self._socket, ssl_context, server_hostname or "", self._deadline, network.cancel
            )
        except _TELLING:
            raise
        except OSError as error:
            raise _not_opened(error) from error
        finally:
            self._socket.close()
        return _Stream(network, network.known(sock), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._socket
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        if info == "is_readable":
            return _is_readable(self._socket)
        return None


def _not_opened(error: OSError) -> Exception:
    kind = httpcore.ConnectTimeout if isinstance(error, TimeoutError) else httpcore.ConnectError
    return kind(str(error))


def _is_readable(sock: socket.socket) -> bool:
    """Whether the server sent something or closed an idle connection."""
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True

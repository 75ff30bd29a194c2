"""The HTTP side of DICOMweb (PS3.18): one client, one table of errors, cancel that unblocks."""

from __future__ import annotations

import contextlib
import socket
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from ..cancel import CancelToken
from ..config import LocalConfig, ServerConfig
from ..errors import DicomError, from_exception, from_http_status, own_certificate
from . import redirects

_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)


class DicomWebClient:
    """Sends requests below the server's DICOMweb root.

    Attributes:
        ignores_offset: Whether the server was seen to give its first page again for the second.
    """

    def __init__(self, server: ServerConfig, local: LocalConfig, cancel: CancelToken) -> None:
        self.server = server
        local = local.for_server(server)
        self.local = local
        self.ignores_offset = False
        self._gate = local.association_gate
        self._cancel = cancel
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        headers = {"Accept-Encoding": "identity"}
        if server.dicomweb_authorization:
            headers["Authorization"] = server.dicomweb_authorization
        try:
            verify = server.tls.ssl_context() if server.tls else True
        except OSError as error:
            raise own_certificate(server.name, error) from error
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(local.network_timeout, connect=local.connect_timeout),
            verify=verify,
            # Transfers go straight to the PACS, whatever the environment says.
            trust_env=False,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def url(self, prefix: str, path: str) -> str:
        """The URL of `path` below the root and the service's prefix."""
        parts = [self.server.dicomweb_root_url.rstrip("/"), prefix.strip("/"), path.strip("/")]
        return "/".join(part for part in parts if part)

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        accept: str,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
        content: Any = None,
        good: frozenset[int] = frozenset({200, 204, 206}),
        wait: bool = True,
    ) -> Iterator[httpx.Response]:
        """Sends a request and gives the response before its body is read.

        Without `wait` there is no wait for a place at the gate.

        Raises:
            DicomError: If the server cannot be reached, answers with a status that is not in
                `good`, or the connection breaks inside the block.
            Canceled: If the token is set.
        """
        self._cancel.check()
        place = self._gate(self.server.name, self._cancel, wait=wait) if self._gate else None
        try:
            with (
                place or contextlib.nullcontext(),
                self._cancel.on_cancel(self._shut_down),
                self._answer(
                    self._client.build_request(
                        method,
                        url,
                        params=params,
                        headers={"Accept": accept, **(headers or {})},
                        content=content,
                        extensions={"trace": self._note_socket},
                    ),
                    # A redirected POST loses its body, or its body is spent already.
                    follow=content is None,
                ) as response,
            ):
                if response.status_code not in good:
                    raise from_http_status(self.server.name, response.status_code)
                yield response
        except _FAILURES as error:
            self._cancel.check()
            raise from_exception(self.server.name, error) from error
        except DicomError:
            self._cancel.check()
            raise

    @contextlib.contextmanager
    def _answer(self, request: httpx.Request, *, follow: bool) -> Iterator[httpx.Response]:
        """Sends a request, and again where the server redirects it within itself."""
        name, root = self.server.name, self.server.dicomweb_root_url
        for _ in range(1 + redirects.MOST_REDIRECTIONS):
            response = self._client.send(request, stream=True)
            try:
                if response.next_request is None:
                    yield response
                    return
                if not follow:
                    raise redirects.not_followed(name, root, response)
                request = redirects.follow(name, root, response)
            finally:
                response.close()
        raise redirects.in_a_circle(name)

    def _note_socket(self, event: str, info: Mapping[str, Any]) -> None:
        """Remembers each socket that httpcore opens (its trace extension calls this)."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            sock = info["return_value"].get_extra_info("socket")
            if isinstance(sock, socket.socket):
                self._sockets.add(sock)

    def _shut_down(self) -> None:
        """Wakes the thread that waits for the server, be it for the head or for the body."""
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

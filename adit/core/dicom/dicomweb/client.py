"""The HTTP side of DICOMweb (PS3.18): one client, one table of errors, cancel that unblocks."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from ..cancel import CancelToken
from ..config import LocalConfig, ServerConfig
from ..errors import (
    DicomError,
    PermanentDicomError,
    from_exception,
    from_http_status,
    own_certificate,
)
from . import redirects
from .network import Network

_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
# RFC 9110 5.5, without what is allowed for the sake of old servers alone.
_FIELD_VALUE = re.compile(r"[!-~](?:[ -~\t]*[!-~])?")


def is_field_value(text: str) -> bool:
    """Whether a text can be the value of a header field (RFC 9110 5.5) that all servers read."""
    return _FIELD_VALUE.fullmatch(text) is not None


class DicomWebClient:
    """Sends requests below the server's DICOMweb root.

    Attributes:
        ignores_offset: Whether the server was seen to give its first page again for the second.
    """

    def __init__(self, server: ServerConfig, local: LocalConfig, cancel: CancelToken) -> None:
        """Creates a client; nothing is opened yet.

        Raises:
            PermanentDicomError: If our certificate or the authorization cannot be used.
        """
        self.server = server
        local = local.for_server(server)
        self.local = local
        self.ignores_offset = False
        self._gate = local.association_gate
        self._cancel = cancel
        self._network = Network(cancel)
        headers = {"Accept-Encoding": "identity"}
        if server.dicomweb_authorization:
            if not is_field_value(server.dicomweb_authorization):
                raise _no_authorization(server.name)
            headers["Authorization"] = server.dicomweb_authorization
        try:
            verify = server.tls.ssl_context() if server.tls else True
        except OSError as error:
            raise own_certificate(server.name, error) from error
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(local.network_timeout, connect=local.connect_timeout),
            transport=self._network.transport(verify),
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
                self._cancel.on_cancel(self._network.shut_down),
                self._answer(
                    self._client.build_request(
                        method,
                        url,
                        params=params,
                        headers={"Accept": accept, **(headers or {})},
                        content=content,
                        extensions={"trace": self._network.trace(self.local.network_timeout)},
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


def _no_authorization(server: str) -> PermanentDicomError:
    """What is set as the Authorization header cannot be sent; it is a secret and is not shown."""
    return PermanentDicomError(
        f"{server} cannot be called: its authorization header holds what no HTTP header can.",
        code="authorization",
        advice="Enter it again for this server: printable ASCII characters on one line.",
    )

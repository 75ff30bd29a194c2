"""Which redirections are followed (RFC 9110 15.4).

A query holds names, and its answer images. Whoever may answer for a server must not send them on to
another one, nor out of TLS: only the administrator of ADIT says where they go.
"""

from __future__ import annotations

import httpx

from ..errors import DicomError, PermanentDicomError

MOST_REDIRECTIONS = 5
_LONGEST_ADDRESS = 200


def follow(server: str, root: str, response: httpx.Response) -> httpx.Request:
    """The request to send next, where `response` is a redirection that may be followed.

    Args:
        server: Its name.
        root: Its DICOMweb root, which helps to say what to enter instead.
        response: A redirection.

    Raises:
        PermanentDicomError: If it leads to another host or port, or out of TLS; on the same host
            it may lead into TLS.
    """
    request, redirected = response.request, response.next_request
    assert redirected is not None
    old, new = request.url, redirected.url
    into_tls = (old.scheme, new.scheme) == ("http", "https")
    same_port = (old.scheme, _port(old)) == (new.scheme, _port(new))
    if old.host != new.host or not (same_port or into_tls):
        raise not_followed(server, root, response)
    if "Authorization" in request.headers:
        # httpx takes it away where the port is another one.
        redirected.headers["Authorization"] = request.headers["Authorization"]
    return redirected


def not_followed(server: str, root: str, response: httpx.Response) -> DicomError:
    """The error for a redirection that is not followed; it says what to enter instead."""
    redirected = response.next_request
    assert redirected is not None
    out_of_tls = (response.request.url.scheme, redirected.url.scheme) == ("https", "http")
    where = "an address without TLS" if out_of_tls else "another address"
    return PermanentDicomError(
        f"{server} sends the request on to {where}.",
        code=f"HTTP {response.status_code}",
        advice=f"If it is to be called there, enter {_address(root, response)} as the DICOMweb "
        "address.",
    )


def in_a_circle(server: str) -> DicomError:
    """The error for more redirections than make sense."""
    return PermanentDicomError(
        f"{server} sends the request on from address to address.",
        code="redirect",
        advice="Check the DICOMweb address.",
    )


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _address(root: str, response: httpx.Response) -> str:
    """The new root, without anything that the request added: that may name a patient."""
    assert response.next_request is not None
    old, new = response.request.url, response.next_request.url
    below = old.path.removeprefix(httpx.URL(root).path.rstrip("/"))
    path = new.path.removesuffix(below) if below and new.path.endswith(below) else ""
    shown = f"{new.scheme}://{new.netloc.decode('ascii')}{path}"
    return shown[:_LONGEST_ADDRESS]

"""The two kinds of failure, and the one table that sorts what peers and networks say into them.

*Permanent*: the same request will fail again; somebody must change something first.
*Transient*: it may work later, so a retry makes sense.

Messages are for users. They name the server, never a patient or an identifier.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

import httpx

from .advice import ASK_ADMIN, SEE_LOG, advice_for
from .certificates import fault_of
from .sockets import NoHandshake


class DicomError(Exception):
    """A peer or the way to it failed.

    Attributes:
        message: What happened, in one sentence.
        code: "A700", "HTTP 503", "timeout": for support and statistics.
        advice: What helps, or ""; where none is given, what the code stands for tells.
    """

    def __init__(self, message: str, *, code: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.advice = advice or advice_for(code)

    def __str__(self) -> str:
        code = f" [{self.code}]" if self.code else ""
        advice = f" {self.advice}" if self.advice else ""
        return f"{self.message}{code}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.code, self.advice))


class PermanentDicomError(DicomError):
    """The same request will fail again."""


class TransientDicomError(DicomError):
    """A later attempt may succeed."""


def _rebuild(kind: type[DicomError], message: str, code: str, advice: str) -> DicomError:
    return kind(message, code=code, advice=advice)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: codes from `first` to `last` (inclusive) mean `says`."""

    first: int
    last: int
    transient: bool
    says: str
    advice: str = ""


# General statuses, PS3.7 Annex C; they hold for each service below.
_GENERAL = (
    Rule(0x0105, 0x0107, False, "did not understand an attribute of the request"),
    Rule(0x0110, 0x0110, True, "failed while it processed the request", SEE_LOG),
    Rule(0x0112, 0x0112, False, "does not know the object"),
    Rule(0x0115, 0x0116, False, "did not accept a value of the request"),
    Rule(0x0117, 0x0117, False, "refused the object as invalid"),
    Rule(0x0118, 0x0119, False, "does not support the kind of object"),
    Rule(0x0122, 0x0122, False, "does not support the kind of object"),
    Rule(
        0x0124,
        0x0124,
        False,
        "does not permit this",
        f"{ASK_ADMIN} for the rights of our AE title.",
    ),
    Rule(0x0210, 0x0210, True, "took the request for a repetition"),
    Rule(0x0211, 0x0212, False, "does not know the operation"),
    Rule(0x0213, 0x0213, True, "has no resources left", f"{ASK_ADMIN}, or try again later."),
    Rule(
        0xFE00,
        0xFE00,
        True,
        "broke the operation off",
        "Somebody may have canceled it there. Try again.",
    ),
)

DIMSE_RULES: dict[str, tuple[Rule, ...]] = {
    # PS3.4 B.2.3
    "C-STORE": (
        Rule(
            0x0111,
            0x0111,
            False,
            "did not store an instance because it holds one with the same UID",
            "It does not say whether both are the same. Compare them there, or have that one "
            "removed.",
        ),
        Rule(0xA700, 0xA7FF, True, "has no space left", f"{ASK_ADMIN} to make room."),
        Rule(0xA900, 0xA9FF, False, "says that the data set does not fit its SOP class"),
        Rule(0xC000, 0xCFFF, False, "could not understand the data set", SEE_LOG),
        *_GENERAL,
    ),
    # PS3.4 C.4.1.1.4
    "C-FIND": (
        Rule(0xA700, 0xA700, True, "has no resources left", "Try a narrower query, or later."),
        Rule(0xA900, 0xA900, False, "does not accept this query at this level"),
        Rule(0xC000, 0xCFFF, True, "was unable to process the query", SEE_LOG),
        *_GENERAL,
    ),
    # PS3.4 C.4.3.1.4
    "C-GET": (
        Rule(0xA700, 0xA702, True, "has no resources left", "Try again later."),
        Rule(0xA900, 0xA900, False, "does not accept this request at this level"),
        Rule(0xB000, 0xB000, True, "could not send some of the instances", SEE_LOG),
        Rule(0xC000, 0xCFFF, True, "was unable to process the request", SEE_LOG),
        *_GENERAL,
    ),
    # PS3.4 C.4.2.1.5
    "C-MOVE": (
        Rule(0xA700, 0xA701, True, "has no resources left", "Try again later."),
        # Called a matter of resources, and answered by most where nobody lets them in or answers.
        Rule(
            0xA702,
            0xA702,
            True,
            "could not send to the destination",
            "Try again later. If that goes on, check host and port that the server has for the AE "
            "title to send to, and whether it is let in there under the AE title that it uses.",
        ),
        Rule(
            0xA801,
            0xA801,
            False,
            "does not know the AE title to send to",
            f"{ASK_ADMIN} to enter it with its host and port.",
        ),
        Rule(0xA900, 0xA900, False, "does not accept this request at this level"),
        Rule(0xB000, 0xB000, True, "could not send some of the instances", SEE_LOG),
        Rule(0xC000, 0xCFFF, True, "was unable to process the request", SEE_LOG),
        *_GENERAL,
    ),
    "C-ECHO": _GENERAL,
    # PS3.4 J.3.2
    "N-ACTION": (
        Rule(0x0131, 0x0131, True, "took the request for a repetition"),
        *_GENERAL,
    ),
}

# A-ASSOCIATE-RJ, PS3.8 Table 9-21: (source, reason).
_CHECK_AE = "Check the AE titles here and there."
REJECTIONS: dict[tuple[int, int], tuple[str, str]] = {
    (1, 1): ("without a reason", _CHECK_AE),
    (1, 2): ("because of the application context", ""),
    (1, 3): (
        "because it does not know our AE title",
        f"{ASK_ADMIN} to enter it with its host and port.",
    ),
    (1, 7): ("because its own AE title is another one", _CHECK_AE),
    (2, 1): ("without a reason", ""),
    (2, 2): ("because of the protocol version", ""),
    (3, 1): ("because it is congested for the moment", "Try again later."),
    (3, 2): ("because it has too many associations", "Lower the number of associations to it."),
}

HTTP_RULES = (
    # Only whoever can send the same body again may follow a redirection (RFC 9110 15.4).
    Rule(
        300,
        399,
        False,
        "sends the request on to another address",
        "Enter the address that it gives as the DICOMweb address.",
    ),
    Rule(401, 401, False, "did not accept our credentials", "Check the authorization header."),
    Rule(403, 403, False, "does not permit this", f"{ASK_ADMIN} for our rights."),
    Rule(404, 404, False, "does not hold what was asked for", "Check the DICOMweb address."),
    Rule(406, 406, False, "cannot answer in the media type asked for"),
    Rule(408, 408, True, "waited too long for our request"),
    Rule(409, 409, False, "refused the data"),
    Rule(411, 412, False, "did not accept the request"),
    Rule(413, 413, False, "says that the request is too large"),
    Rule(415, 415, False, "does not accept the media type or the transfer syntax"),
    Rule(425, 425, True, "is not ready yet"),
    Rule(429, 429, True, "has too many requests", "Lower the number of associations to it."),
    Rule(501, 501, False, "does not offer this service", "Check the DICOMweb address."),
    Rule(505, 505, False, "does not support our version of HTTP"),
    Rule(507, 507, True, "has no space left", f"{ASK_ADMIN} to make room."),
    Rule(500, 599, True, "failed for the moment", "Try again later."),
)


def _error(transient: bool) -> type[DicomError]:
    return TransientDicomError if transient else PermanentDicomError


def _find(rules: tuple[Rule, ...], code: int) -> Rule | None:
    return next((rule for rule in rules if rule.first <= code <= rule.last), None)


def from_dimse_status(server: str, service: str, status: int, comment: str = "") -> DicomError:
    """Sorts a DIMSE failure or warning status; `comment` is not shown: it may name a patient."""
    del comment
    return from_rules(DIMSE_RULES.get(service, _GENERAL), server, service, status)


def from_rules(rules: tuple[Rule, ...], server: str, service: str, status: int) -> DicomError:
    """Sorts a status by the first of `rules` that holds for it."""
    rule = _find(rules, status)
    code = f"{status:04X}"
    if rule is None:
        return TransientDicomError(
            f"{server} ended {service} with an unknown status.", code=code, advice=SEE_LOG
        )
    return _error(rule.transient)(f"{server} {rule.says}.", code=code, advice=rule.advice)


def from_rejection(server: str, result: int, source: int, reason: int) -> DicomError:
    """Sorts an A-ASSOCIATE-RJ (PS3.8 9.3.4): its `result` says whether it is for good."""
    why, advice = REJECTIONS.get((source, reason), ("without a known reason", ""))
    transient = result == 2 or source == 3
    return _error(transient)(
        f"{server} rejected the association {why}.",
        code=f"rejected {result}/{source}/{reason}",
        advice=advice,
    )


def from_http_status(server: str, status: int) -> DicomError:
    """Sorts an HTTP status that is no success."""
    rule = _find(HTTP_RULES, status)
    code = f"HTTP {status}"
    if rule is None:
        return PermanentDicomError(f"{server} did not accept the request.", code=code)
    return _error(rule.transient)(f"{server} {rule.says}.", code=code, advice=rule.advice)


def from_exception(server: str, error: BaseException) -> DicomError:
    """Sorts what sockets, TLS and httpx raise. A DicomError is returned as it is."""
    if isinstance(error, DicomError):
        return error
    result = _from_exception(server, error)
    result.__cause__ = error
    return result


def _from_exception(server: str, error: BaseException) -> DicomError:
    if isinstance(error, NoHandshake):
        return no_handshake(server, timed_out=error.timed_out)
    root = _tls_cause(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        says, advice = fault_of(root)
        return PermanentDicomError(
            f"The certificate of {server} {says}.", code="TLS certificate", advice=advice
        )
    if isinstance(root, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return broken(server)
    if isinstance(root, ssl.SSLError):
        reason = getattr(root, "reason", None) or ""
        if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
            # The alerts of PS3.15's peers: certificate required, unknown CA, bad certificate.
            return PermanentDicomError(
                f"{server} does not accept our certificate.",
                code="TLS client certificate",
                advice="Check our client certificate, and the authorities that the server trusts.",
            )
        return PermanentDicomError(
            f"The TLS handshake with {server} failed.",
            code="TLS",
            advice="Check on both sides whether TLS is on and which certificates are accepted.",
        )
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return PermanentDicomError(f"The DICOMweb address of {server} is not valid.", code="url")
    if isinstance(error, (httpx.ConnectTimeout, httpx.ConnectError)):
        return unreachable(server)
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return timed_out(server)
    if isinstance(error, socket.gaierror):
        return TransientDicomError(
            f"The host name of {server} cannot be resolved.",
            code="host name",
            advice="Check the host name of the server.",
        )
    if isinstance(error, ConnectionRefusedError):
        return unreachable(server)
    if isinstance(error, (OSError, httpx.TransportError, EOFError)):
        return broken(server)
    return PermanentDicomError(f"{server} answered in a way that we cannot read.", code="protocol")


def own_certificate(server: str, error: BaseException) -> PermanentDicomError:
    """The files that are set for TLS are missing, hold something else or do not fit together."""
    says = "our own certificate files cannot be read"
    advice = "Check the paths of the CA, the client certificate and its key."
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        says = "the key that is set is not that of our client certificate"
        advice = "Set the key that was made with the certificate, or a new pair of both."
    result = PermanentDicomError(
        f"{server} cannot be called: {says}.", code="TLS files", advice=advice
    )
    result.__cause__ = error
    return result


def _tls_cause(error: BaseException) -> BaseException:
    """The `ssl.SSLError` that httpx and httpcore wrap, or the error itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error


def unreachable(server: str) -> TransientDicomError:
    """Nobody answers at the address."""
    return TransientDicomError(
        f"{server} cannot be reached.",
        code="unreachable",
        advice="Check its host, its port and the network.",
    )


def timed_out(server: str) -> TransientDicomError:
    """The peer did not answer in time."""
    return TransientDicomError(f"{server} did not answer in time.", code="timeout")


_CHECK_TLS = "Check whether TLS is on there at that port, and switch it on or off here."


def no_handshake(server: str, *, timed_out: bool) -> TransientDicomError:
    """The peer has nothing to say to the start of a TLS handshake: it may not know what that is."""
    if timed_out:
        says, code = "did not answer the TLS handshake in time", "timeout"
    else:
        says, code = "closed the connection during the TLS handshake", "broken"
    return TransientDicomError(f"{server} {says}.", code=code, advice=_CHECK_TLS)


def closed_unanswered(server: str) -> TransientDicomError:
    """The peer closed the connection instead of an answer to the association request."""
    return TransientDicomError(
        f"The connection to {server} broke before it gave an answer.",
        code="broken",
        advice="Try again later. If that goes on, check host, port and whether TLS is on there.",
    )


def speaks_tls(server: str) -> PermanentDicomError:
    """The peer answered a plain request with a TLS record (RFC 8446 5.1)."""
    return PermanentDicomError(f"{server} expects TLS.", code="TLS", advice=_CHECK_TLS)


def repeats_itself(server: str) -> TransientDicomError:
    """A query brings the same answers over and over."""
    return TransientDicomError(
        f"{server} repeats the same answer without end.",
        code="no progress",
        advice=f"{ASK_ADMIN}.",
    )


def broken(server: str) -> TransientDicomError:
    """The connection broke, or the peer aborted the association."""
    return TransientDicomError(f"The connection to {server} broke.", code="broken")


def broken_after_handshake(server: str) -> TransientDicomError:
    """The peer closed a TLS connection without a word, before it answered the first request."""
    return TransientDicomError(
        f"{server} closed the connection right after the TLS handshake.",
        code="broken",
        advice="If that goes on, it may not accept our certificate.",
    )

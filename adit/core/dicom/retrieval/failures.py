"""What the failure of one series says of the others: nothing, or that the server cannot serve."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydicom.uid import UID

from ..errors import DicomError, PermanentDicomError, TransientDicomError

# The server or the way to it is away or overloaded, or our own disk is full.
_AWAY = frozenset(
    {"unreachable", "host name", "timeout", "broken", "released", "no progress", "busy", "disk"}
    | {"A700", "A701", "0213", "HTTP 408", "HTTP 429", "HTTP 502", "HTTP 503", "HTTP 504"}
)
_AWAY_BEGINNINGS = ("rejected", "aborted", "TLS")
# A wrong password that is sent for each series may lock us out.
_MAY_LOCK_OUT = frozenset({"authorization", "HTTP 401", "HTTP 407"})
# The server does not serve us at all, or does not know where to send to: whatever series it is.
_OF_THE_SERVICE = frozenset(
    {"context rejected", "unsupported", "url", "redirect", "A801", "AE title"}
    | {"HTTP 501", "HTTP 505"}
)
_OF_THE_SERVICE_BEGINNINGS = ("HTTP 3",)
OF_EACH_MOVE = frozenset({"A702"})
"""Over C-MOVE the server cannot reach the destination, or is not let in there (PS3.4 C.4.2.1.5)."""

# Other presentation contexts do not change what these say of the request itself.
_OF_THE_REQUEST = frozenset({"A900", "0122", "0124", "0211", "0212", "FE00"})
_MOST_NAMES = 5


class NotOffered(PermanentDicomError):
    """The server accepts no presentation context of SOP classes that are wanted by C-GET.

    Attributes:
        classes: The SOP classes.
    """

    def __init__(self, server: str, classes: Collection[str]) -> None:
        super().__init__(
            f"{server} {_refuses(classes)}.",
            code="context rejected",
            advice="Ask the administrator of the server to accept that, or switch C-MOVE or "
            "WADO-RS on for it.",
        )
        self.server = server
        self.classes = frozenset(classes)

    def __reduce__(self) -> tuple[object, ...]:
        return (NotOffered, (self.server, self.classes))


def with_classes(error: DicomError, classes: Collection[str]) -> DicomError:
    """The same error, that also names SOP classes of which no context was accepted."""
    return type(error)(
        f"{error.message.rstrip('.')}; it {_refuses(classes)}.",
        code=error.code,
        advice=error.advice,
    )


def _refuses(classes: Collection[str]) -> str:
    names = sorted(UID(uid).name for uid in classes)
    more = len(names) - _MOST_NAMES
    said = ", ".join(names[:_MOST_NAMES]) + (f" and {more} others" if more > 0 else "")
    what = "this kind of object" if len(names) == 1 else "these kinds of objects"
    return f"does not offer {what} over C-GET: {said}"


def concerns_all(error: DicomError, more: Collection[str] = (), *, served: bool = False) -> bool:
    """Whether the next series can be expected to fail for the same reason.

    Args:
        error: How one failed.
        more: Codes that say so where the series were asked for in a certain way.
        served: Whether the server has sent something: then it does serve us, and what it says of
            its service is said of the one series.
    """
    if isinstance(error, NotOffered):
        return False
    code = error.code
    if code in _OF_THE_SERVICE or code.startswith(_OF_THE_SERVICE_BEGINNINGS):
        return not served
    return (
        code in _AWAY or code in _MAY_LOCK_OUT or code in more or code.startswith(_AWAY_BEGINNINGS)
    )


def may_be_contexts(error: DicomError) -> bool:
    """Whether a C-GET may have failed for the contexts that it had: others may bring the rest."""
    code = error.code
    if concerns_all(error) or code in _OF_THE_REQUEST:
        return False
    is_status = len(code) == 4 and all(digit in "0123456789ABCDEF" for digit in code)
    return is_status or code == "incomplete"


def worst(problems: Sequence[DicomError]) -> DicomError:
    """One error for several series: transient if any of them may come later."""
    for problem in problems:
        if isinstance(problem, TransientDicomError):
            return problem
    refused = [problem for problem in problems if isinstance(problem, NotOffered)]
    if isinstance(problems[0], NotOffered) and len(refused) > 1:
        return NotOffered(problems[0].server, frozenset().union(*(one.classes for one in refused)))
    return problems[0]

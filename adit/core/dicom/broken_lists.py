"""Lists of results that begin well and do not come to their end."""

from __future__ import annotations

from .advice import ASK_ADMIN
from .errors import DicomError, TransientDicomError


class BrokenOff(TransientDicomError):
    """A list began well and did not come to its end: what came is a part of it at best."""


def list_broken_off(server: str, answers: int, error: DicomError) -> BrokenOff:
    """A list of which a later page was refused or could not be read; `error` says how."""
    http = error.code.startswith("HTTP ")
    what = error.code if http else "something that is no list of results"
    return BrokenOff(
        f"{server} broke its list off after {answers} answers: to the request for more it answered "
        f"{what}.",
        code="list broken off",
        advice=f"Try again. If that goes on: {ASK_ADMIN}, for there may be more.",
    )

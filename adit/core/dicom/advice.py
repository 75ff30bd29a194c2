"""What helps after a failure that only its code tells of: where no rule of a service says more."""

from __future__ import annotations

ASK_ADMIN = "Ask the administrator of the server"
SEE_LOG = f"{ASK_ADMIN} for what its log says."

_BY_CODE = {
    "aborted": f"Try again later. If that goes on: {SEE_LOG}",
    "released": f"Try again later. If that goes on: {SEE_LOG}",
    "broken": "Try again later. If that goes on, check the network, and TLS on both sides.",
    "timeout": "Try again later. If that goes on, check host and port, or allow more time.",
    "no progress": "Try again later. If that goes on, allow more time without progress for it.",
    "incomplete": f"Try again: only what is missing is asked for. If that goes on: {SEE_LOG}",
    "nothing": f"{ASK_ADMIN} whether the images are there, and whether we may get them.",
    "protocol": "Check that the address is that of a DICOM service, and of which kind.",
}


def advice_for(code: str) -> str:
    """The advice for a code such as "timeout" or "aborted 0/0"; "" where there is none."""
    return _BY_CODE.get(code) or _BY_CODE.get(code.partition(" ")[0], "")

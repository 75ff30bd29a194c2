"""What became of an instance that was to be stored."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydicom.uid import UID

from .config import StoreProtocol
from .errors import DicomError, PermanentDicomError, from_dimse_status
from .instance import DicomInstance

# PS3.4 B.2.3 and PS3.7 Annex C.
_WARNINGS = {
    0xB000: "The destination changed some attributes.",
    0xB006: "The destination discarded some elements.",
    0xB007: "The destination says that the data set does not fit its SOP class.",
    0x0107: "The destination does not know some attributes.",
    0x0116: "The destination considers some values to be out of range.",
}
# PS3.7 C.5.10. It says nothing of whether the destination has what was sent: no proof by itself.
DUPLICATE = 0x0111
_REASONS = {
    3: "does not store this kind of object",
    4: "does not store this kind of object in this transfer syntax",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOutcome:
    """Whether the destination took an instance.

    Attributes:
        status: DIMSE status, or Failure or Warning Reason of STOW-RS; 0 is success. -1 where there
            is none, because the instance was not sent or not answered.
        warning: What the destination changed, in words, or "".
        error: Why it was not accepted.
        transcoded_to: The transfer syntax in which it was sent instead of its own, or "".
    """

    instance: DicomInstance
    accepted: bool
    protocol: StoreProtocol
    status: int = -1
    warning: str = ""
    error: DicomError | None = None
    transcoded_to: str = ""


def failed(
    instance: DicomInstance, protocol: StoreProtocol, error: DicomError, status: int = -1
) -> StoreOutcome:
    """The outcome of an instance that was not accepted."""
    return StoreOutcome(
        instance=instance, accepted=False, protocol=protocol, status=status, error=error
    )


def from_status(
    instance: DicomInstance, protocol: StoreProtocol, server: str, status: int
) -> StoreOutcome:
    """The outcome that a status stands for."""
    warning = ""
    if status in _WARNINGS or status >> 12 == 0xB:
        warning = _WARNINGS.get(status, "The destination stored the instance with a warning.")
    elif status != 0:
        return failed(instance, protocol, from_dimse_status(server, "C-STORE", status), status)
    return StoreOutcome(
        instance=instance, accepted=True, protocol=protocol, status=status, warning=warning
    )


def context_rejected(instance: DicomInstance, server: str, reason: int) -> StoreOutcome:
    """The outcome of an instance that the destination does not want to hear of (PS3.8 9.3.3.2)."""
    sop_class, syntax = UID(instance.sop_class_uid), UID(instance.transfer_syntax_uid)
    why = _REASONS.get(reason, "does not want this kind of object in this transfer syntax")
    error = PermanentDicomError(
        f"{server} {why}: {sop_class.name}, {syntax.name}.",
        code="context rejected",
        advice="Ask the administrator of the server to accept it.",
    )
    return failed(instance, StoreProtocol.C_STORE, error)


def unsendable(
    instance: DicomInstance, protocol: StoreProtocol, server: str, uid_fault: str
) -> StoreOutcome:
    """The outcome of an instance of which no peer can be told, because a UID is none."""
    error = PermanentDicomError(
        f"An instance cannot be sent to {server}: {uid_fault}.",
        code="UID",
        advice="It has to be repaired where it comes from.",
    )
    return failed(instance, protocol, error)


def transcoded(outcome: StoreOutcome, transfer_syntax_uid: str) -> StoreOutcome:
    """Says of an accepted instance that it was sent in another transfer syntax than its own."""
    own, other = UID(outcome.instance.transfer_syntax_uid), UID(transfer_syntax_uid)
    said = f"The destination does not accept {own.name}; it got {other.name} without loss."
    return replace(
        outcome,
        warning=f"{said} {outcome.warning}".strip(),
        transcoded_to=transfer_syntax_uid,
    )

"""Why a STOW-RS server did not store an instance: its Failure Reason (PS3.18 Table I.2-2).

What the Failed SOP Sequence names is not stored, whatever the reason: a value that stands for a
warning elsewhere (PS3.18 Table I.2-1, PS3.7 Annex C) is none there.
"""

from __future__ import annotations

from ..advice import SEE_LOG
from ..errors import DIMSE_RULES, DicomError, Rule, from_rules

PROCESSING_FAILURE = 0x0110
SYNTAX_NOT_SUPPORTED = 0xC122

_NOT_STORED = "did not store an instance"
FAILURE_REASONS = (
    # Reasons for a warning, which say nothing of why it failed.
    Rule(0x0107, 0x0107, True, f"{_NOT_STORED} and only says that it lacks attributes", SEE_LOG),
    Rule(0x0116, 0x0116, True, f"{_NOT_STORED} and only says that values are odd", SEE_LOG),
    Rule(0xB000, 0xBFFF, True, f"{_NOT_STORED} and gives no more than a warning for it", SEE_LOG),
    Rule(SYNTAX_NOT_SUPPORTED, SYNTAX_NOT_SUPPORTED, False, "does not accept the transfer syntax"),
    *DIMSE_RULES["C-STORE"],
)


def from_failure_reason(server: str, reason: int) -> DicomError:
    """The error that a Failure Reason stands for."""
    return from_rules(FAILURE_REASONS, server, "STOW-RS", reason)

"""What is a UID (PS3.5 9.1), as far as it can be sent."""

from __future__ import annotations

import re

LONGEST_UID = 64
# Many devices write leading zeros, which the standard forbids and everyone takes.
_REGISTERED = re.compile(r"[0-9]+(?:\.[0-9]+)*")
# Some programs make SOP Instance UIDs of digests: no UIDs, but every peer tells them apart.
_OF_INSTANCE = re.compile(r"[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*")


def what_is_wrong(uid: str, *, of_instance: bool = False) -> str:
    """Says in words why `uid` cannot be sent as a UID; "" where it can.

    Args:
        uid: A UID of the standard or an implementer (SOP class, transfer syntax).
        of_instance: It is that of an instance, which may hold letters.
    """
    if not uid:
        return "is empty"
    if len(uid) > LONGEST_UID:
        return f"is longer than {LONGEST_UID} characters"
    pattern = _OF_INSTANCE if of_instance else _REGISTERED
    return "" if pattern.fullmatch(uid) else "is no UID"

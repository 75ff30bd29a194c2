"""What has to be said where one SOP Instance UID came with two contents (PS3.5 9.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from adit.core.transfer.ledger import Ledger
from adit.core.words import counted

TWO_VERSIONS = (
    "{} came twice with different content under one SOP Instance UID; the first counts. Check at "
    "the source which one is right."
)
BY_A_STRANGER = (
    "{} came from {}, which is no known sender of {}, before the server sent its own, which differ "
    "and lie in quarantine. What was delivered is that of {}. Enter it among the sender AE titles "
    "of the server if it belongs to it, or forbid it to send, and transfer the study again."
)


def remarks_on_versions(ledger: Ledger, source: str) -> Iterator[str]:
    """Each makes the end of the task a warning."""
    by_stranger = Counter(ledger.in_two_versions.values())
    number = by_stranger.pop("", 0)
    for title, theirs in by_stranger.most_common():
        yield BY_A_STRANGER.format(counted(theirs, "instance"), title, source, title)
    if number:
        yield TWO_VERSIONS.format(counted(number, "instance"))

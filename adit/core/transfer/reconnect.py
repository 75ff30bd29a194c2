"""When to try again within a run, and how long to wait before: pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from adit.core.dicom import DicomError, TransientDicomError

# What a source says or does that another request would only repeat: it answered, but sent less
# than it has. Another protocol may bring the rest.
_ANSWERED = frozenset({"incomplete", "nothing", "no progress", "misplaced", "0000", "B000"})
# However often it helps to try again, a run ends at some time: the next attempt goes on.
_MOST_TRIES = 50
# So many series in a row end a fetch when the source is away.
_STALLED_SERIES = 2

T = TypeVar("T")


def is_blip(error: DicomError) -> bool:
    """Whether `error` may be over in some seconds: a connection broke, a peer is busy or full."""
    return isinstance(error, TransientDicomError) and error.code not in _ANSWERED


class Reconnect:
    """Decides, for one protocol of one run, whether and when to try again.

    Args:
        waits: seconds before the first, second, … try that follows one without progress.
    """

    def __init__(self, waits: Sequence[float]) -> None:
        self._waits = list(waits)
        self._failed = 0
        self._tries = 0

    def wait_after(self, error: DicomError, *, progressed: bool) -> float | None:
        """Seconds to wait before the next try; None where there is to be none.

        A try that brought something is followed by another whatever ended it; one that brought
        nothing only where the cause may be over soon, and so often as there are waits.
        """
        self._tries += 1
        if progressed:
            self._failed = 0
        if self._tries >= _MOST_TRIES or self._failed >= len(self._waits):
            return None
        if not isinstance(error, TransientDicomError) or not (progressed or is_blip(error)):
            return None
        wait = self._waits[self._failed]
        self._failed += 1
        return wait


def from_another(asked: Mapping[str, T], attempt: int) -> Mapping[str, T]:
    """The series in another order in each attempt (from 1): those on which the source stalled, so
    that others were not asked for, must not come first again."""
    uids = list(asked)
    start = _STALLED_SERIES * (attempt - 1) % max(1, len(uids))
    return {uid: asked[uid] for uid in (*uids[start:], *uids[:start])}

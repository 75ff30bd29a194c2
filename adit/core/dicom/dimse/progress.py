"""When a retrieval has stalled: not after a fixed time, but when nothing new comes."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from ..advice import SEE_LOG
from ..errors import DicomError, TransientDicomError, from_dimse_status
from . import commands
from .commands import Command

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RetrieveReport:
    """What the peer says about its sub-operations (PS3.7 9.1.3 and 9.1.4), and what came.

    The counts are the peer's words; only `received` is known.

    Attributes:
        promised: How many instances it wanted to send when it first said so; None before.
    """

    received: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0
    remaining: int = 0
    status: int | None = None
    error: DicomError | None = None
    promised: int | None = None

    def update(self, command: Command) -> bool:
        """Takes the counts of a response; returns whether the peer got on since the last one."""
        before = (self.completed + self.failed + self.warning, self.remaining)
        self.completed = max(self.completed, command.completed or 0)
        self.failed = max(self.failed, command.failed or 0)
        self.warning = max(self.warning, command.warning or 0)
        if command.remaining is not None:
            self.remaining = command.remaining
        elif not command.pending:
            self.remaining = 0
        if self.promised is None and self.announced:
            self.promised = self.announced
        return (self.completed + self.failed + self.warning, self.remaining) != before

    def update_of_get(self, command: Command) -> bool:
        """The same for C-GET, where what was sent also came: a count alone is not believed.

        Only what failed is counted without an instance. So more is done than before, and no more
        than was promised at first: a peer that counts ever further does not get on.
        """
        before = self.announced - self.remaining
        self.update(command)
        done = self.announced - self.remaining
        return before < done <= (self.promised or 0)

    @property
    def announced(self) -> int:
        """How many instances the peer wants to send, as far as it said so."""
        return self.completed + self.failed + self.warning + self.remaining

    def failure(self, server: str, service: str) -> DicomError | None:
        """What the final response means apart from the instances that came."""
        if self.error is not None:
            return self.error
        status = self.status
        if status is None or (status == commands.STATUS_SUCCESS and not self.failed):
            return None
        if status >> 12 == 0xB and not self.failed and (self.completed or self.warning):
            # All were sent, there were remarks on some (PS3.4 C.4.3.1.4).
            logger.info("%s ended %s with %s warnings.", server, service, self.warning)
            return None
        if status == commands.STATUS_SUCCESS or status >> 12 == 0xB:
            return TransientDicomError(
                f"{server} could not send {self.failed or 'some'} of the instances.",
                code=f"{status:04X}",
                advice=SEE_LOG,
            )
        return from_dimse_status(server, service, status)


class ProgressClock:
    """Tells when nothing new came for `timeout` seconds, or when it takes longer than it can.

    The total grows with the number of instances, so that no big study is cut, yet a peer that
    answers "pending" for ever is left.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._started = self._last = time.monotonic()

    def advance(self) -> None:
        """Something new came."""
        self._last = time.monotonic()

    def pause(self, since: float) -> None:
        """The time from `since` until now was spent by us and does not count."""
        spent = time.monotonic() - since
        self._started += spent
        self._last += spent

    @property
    def left(self) -> float:
        """Seconds until nothing new came for too long."""
        return self._last + self._timeout - time.monotonic()

    def check(self, server: str, instances: int) -> None:
        """Raises TransientDicomError when the time is over; `instances` came or are announced."""
        total = self._timeout * (10 + instances)
        if self.left <= 0 or time.monotonic() - self._started > total:
            raise no_progress(server, self._timeout)


def no_progress(server: str, timeout: float) -> TransientDicomError:
    """Nothing new came for `timeout` seconds."""
    return TransientDicomError(
        f"{server} sent nothing new for {timeout:.0f} seconds.", code="no progress"
    )

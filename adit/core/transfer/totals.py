"""Sums over all series of a ledger."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Totals:
    """Numbers of instances over all series. Each instance counts once in one of them: `waiting`
    were neither sent nor settled otherwise; `sent` were sent but not confirmed; `discarded` are
    those of the excluded ones that staff discarded. `done` is what progress is measured by."""

    expected: int
    waiting: int
    sent: int
    confirmed: int
    excluded: int
    held: int
    failed: int
    bytes_sent: int
    discarded: int = 0
    done: int = 0

    @property
    def wanted(self) -> int:
        """What must arrive for the transfer to be complete."""
        return self.expected - self.excluded

    @property
    def missing(self) -> int:
        return self.wanted - self.confirmed

"""Sums over all series of a ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from adit.core.models.records import InstanceState
from adit.core.transfer.series_ledger import SeriesLedger


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


def add_up(all_series: Iterable[SeriesLedger], reported: int) -> Totals:
    """The sums over `all_series`.

    Args:
        reported: how many instances went straight to the destination, says the source.
    """
    state = InstanceState
    counts: Counter[InstanceState] = Counter()
    expected = excluded = sent_bytes = discarded = 0
    for series in all_series:
        counts += series.counts()
        expected += max(series.expected, len(series.records))
        if series.reason and not series.records:
            excluded += series.expected
        sent_bytes += sum(record.size for record in series.records.values())
        discarded += sum(record.discarded for record in series.records.values())
    excluded += counts[state.EXCLUDED]
    settled = counts[state.CONFIRMED] + counts[state.SENT] + counts[state.HELD]
    done = counts[state.CONFIRMED] + counts[state.SENT]
    return Totals(
        expected=expected,
        waiting=expected - excluded - settled - counts[state.FAILED],
        sent=counts[state.SENT],
        confirmed=counts[state.CONFIRMED],
        excluded=excluded,
        held=counts[state.HELD],
        failed=counts[state.FAILED],
        bytes_sent=sent_bytes,
        discarded=discarded,
        done=min(max(done, reported), expected - excluded),
    )

"""Instances of one study that share a SOP Instance UID although they lie in different series.

A SOP Instance UID is unique (PS3.5 9.1); where a source has it in two series, a destination would
keep the one that came last, or refuse it. So one of them is moved, always the same, and of the
other one the ledger says that it was left, and why.
"""

from __future__ import annotations

from collections.abc import Iterable

from adit.core.models.records import InstanceRecord, InstanceState
from adit.core.transfer.series_ledger import SeriesLedger

TWIN = "Another series of the study has an instance of the same SOP Instance UID; that one counts."

_DONE = frozenset({InstanceState.SENT, InstanceState.CONFIRMED, InstanceState.HELD})


def find_homes(series: Iterable[SeriesLedger]) -> dict[str, SeriesLedger]:
    """The series in which each instance is moved, by source SOP Instance UID; its twins are
    refused. What was begun in one series stays there, whatever the order of the series."""
    homes: dict[str, SeriesLedger] = {}
    shared: dict[str, list[SeriesLedger]] = {}
    for one in series:
        for uid, record in one.records.items():
            if record.state is InstanceState.EXCLUDED:
                continue
            first = homes.setdefault(uid, one)
            if first is not one:
                shared.setdefault(uid, [first]).append(one)
    for uid, candidates in shared.items():
        homes[uid] = min(candidates, key=lambda one: _rank(one.records[uid]))
        for one in candidates:
            if one is not homes[uid] and one.records[uid].state not in _DONE:
                refuse(one, one.records[uid])
    return homes


def refuse(series: SeriesLedger, record: InstanceRecord) -> None:
    """Let a twin stay behind."""
    if record.reason != TWIN or record.state is not InstanceState.FAILED:
        record.state, record.reason, record.retry = InstanceState.FAILED, TWIN, False
        series.touch(record)


def _rank(record: InstanceRecord) -> int:
    if record.state in _DONE:
        return 0
    return 2 if record.reason == TWIN else 1

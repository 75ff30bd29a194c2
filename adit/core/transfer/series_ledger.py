"""What a ledger holds of one series."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from adit.core.models.records import InstanceRecord, InstanceState
from adit.core.transfer.deid_counts import DeidCounts
from adit.core.transfer.packed_records import Change, PackedRecords
from adit.core.transfer.plan import PlannedSeries


@dataclass(kw_only=True)
class SeriesLedger:
    """One series: its records by source SOP Instance UID.

    Attributes:
        named: whether the source lists its instances by UID.
        listed: how many instances the source lists by UID now.
        counted: whether the source tells at least their number.
        short: how many instances the source listed of a series of which it has more; None where
            nothing shows that.
        fetched_whole: whether this run fetched all that the source has of it, without an error.
        judged: whether an earlier run came to its end with the series incomplete.
        dirty: whether anything of it has to be written.
        changed: the source SOP Instance UIDs of the records that have to be written, in the order
            in which they changed: so new ones keep their order.
    """

    series_instance_uid: str
    row_id: int | None = None
    new_series_instance_uid: str = ""
    series_number: int | None = None
    modality: str = ""
    description: str = ""
    named: bool = True
    counted: bool = True
    short: int | None = None
    listed: int = 0
    fetched_whole: bool = False
    judged: bool = False
    expected: int = 0
    reason: str = ""
    bytes_received: int = 0
    files: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, InstanceRecord] = field(default_factory=dict)
    deid_counts: DeidCounts = field(default_factory=DeidCounts)
    dirty: bool = True
    changed: dict[str, None] = field(default_factory=dict)
    packed: PackedRecords = field(default_factory=PackedRecords)

    def expect(self, planned: PlannedSeries) -> None:
        """Enter the expected set; what earlier attempts achieved stays."""
        self.series_number = planned.series_number
        self.modality = planned.modality
        self.description = planned.description
        self.reason = planned.excluded
        self.named = planned.instance_uids is not None
        self.counted = planned.counted
        self.dirty = True
        self._compare_list(planned)
        state = InstanceState.EXCLUDED if planned.excluded else InstanceState.EXPECTED
        for uid in planned.instance_uids or ():
            if uid not in self.records:
                record = InstanceRecord(uid, state, reason=planned.excluded)
                self.records[uid] = record
                self.touch(record)
        self.expected = max(planned.expected, len(self.records))

    def _compare_list(self, planned: PlannedSeries) -> None:
        """Note whether the list of the source is known to be short."""
        if planned.instance_uids is None:
            self.short = None
            return
        self.listed = len(planned.instance_uids)
        if self.records.keys() - set(planned.instance_uids):
            self.short = self.listed
        elif self.short is not None and self.listed > self.short:
            self.short = None

    def touch(self, record: InstanceRecord) -> None:
        """Note that a record has changed, or is new."""
        self.changed[record.source_uid] = None
        self.dirty = True

    def take_changes(self, *, compact: bool) -> Change:
        """What `packed` has to be told of; nothing counts as changed afterwards."""
        change = self.packed.take(self.records, self.changed, compact=compact)
        self.changed = {}
        return change

    def counts(self) -> Counter[InstanceState]:
        return Counter(record.state for record in self.records.values())

    @property
    def excluded(self) -> bool:
        """Whether the plan left the whole series behind."""
        return bool(self.reason)

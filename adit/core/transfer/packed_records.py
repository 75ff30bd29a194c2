"""The compact form of a series' records, brought up to date by what has changed.

Encoding fifty thousand records takes a second. So what changed since the last time is appended as a
block of its own, which counts instead of what stands before it, and all is encoded anew only when
as much is outdated as is not: each change costs about the same in a series of any length.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter

from adit.core.models.records import InstanceRecord, encode_records

# So many records are encoded as a whole each time: that takes less than the rest of a write.
_FEW = 500
_values_of = attrgetter(*(column.name for column in fields(InstanceRecord)))


@dataclass(frozen=True)
class Change:
    """What is to be entered in the compact form; `whole` says that nothing before it counts."""

    records: list[InstanceRecord]
    whole: bool


@dataclass
class PackedRecords:
    """Blocks of `encode_records`, to be read by `decode_records` as one."""

    _blocks: list[bytes] = field(default_factory=list)
    _encoded: int = 0

    def is_outdated(self, number: int) -> bool:
        """Whether more is encoded than so many records."""
        return self._encoded > number

    def take(
        self, records: Mapping[str, InstanceRecord], changed: Collection[str], *, compact: bool
    ) -> Change:
        """Copies of what has to be encoded. Quick: nobody may change a record meanwhile.

        Args:
            changed: the SOP Instance UIDs whose records changed since the last call, or are new.
            compact: leave nothing outdated behind.
        """
        after = self._encoded + len(changed)
        most = len(records) if compact else 2 * len(records)
        if not self._blocks or len(records) <= _FEW or after > most:
            return Change([_copy(record) for record in records.values()], True)
        return Change([_copy(records[uid]) for uid in changed], False)

    def enter(self, change: Change) -> bytes:
        """The compact form with the change in it."""
        if change.whole:
            self._blocks, self._encoded = [], 0
        if change.records or not self._blocks:
            self._blocks.append(encode_records(change.records))
            self._encoded += len(change.records)
        return b"".join(self._blocks)


def _copy(record: InstanceRecord) -> InstanceRecord:
    return InstanceRecord(*_values_of(record))

"""The ledger: what was expected, received, sent and confirmed, instance by instance.

It lives in memory while a run works and is written to the database by `LedgerWriter`. All its
methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from adit.core.models.records import InstanceRecord, InstanceState
from adit.core.transfer.deid_counts import DeidCounts
from adit.core.transfer.plan import Plan
from adit.core.transfer.series_ledger import SeriesLedger
from adit.core.transfer.totals import Totals, add_up
from adit.core.transfer.twins import find_homes, refuse

S = InstanceState
ANOTHER_PATIENT = "belongs to another patient"
# What need not be fetched (again).
_SETTLED = frozenset({S.SENT, S.CONFIRMED, S.EXCLUDED, S.HELD})


class Ledger:
    """All series of one task."""

    def __init__(self, series: Iterable[SeriesLedger] = ()) -> None:
        self._lock = threading.RLock()
        self._series = {s.series_instance_uid: s for s in series}
        # Of instances on their way, by source SOP Instance UID.
        self._deid_counts: dict[str, DeidCounts] = {}
        self._reported = 0
        # SOP Instance UIDs that came twice with different content, with the AE title of the sender
        # of the first where that is not known and the second is the source's own; else "".
        self.in_two_versions: dict[str, str] = {}
        self._homes = find_homes(self._series.values())

    # What is expected

    def expect(self, plan: Plan) -> None:
        """Enter the expected set; what earlier attempts achieved stays."""
        with self._lock:
            for planned in plan.series:
                uid = planned.series_instance_uid
                series = self._series.setdefault(uid, SeriesLedger(series_instance_uid=uid))
                series.expect(planned)
            self._homes = find_homes(self._series.values())

    def try_failed_again(self) -> None:
        """Let refused instances count as expected again, because a user asked for it. A run that
        was only interrupted goes on: what was refused for good stays refused."""
        with self._lock:
            for series in self._series.values():
                for record in series.records.values():
                    if record.state is S.FAILED and series.judged:
                        record.state, record.reason, record.retry = S.EXPECTED, "", True
                        series.touch(record)

    def missing(self) -> Mapping[str, set[str] | None]:
        """What has still to be fetched: SOP Instance UIDs by series, None for all of a series
        whose instances the source does not name. Called while nothing is on its way: what was
        received but not sent counts as lost."""
        with self._lock:
            for series in self._series.values():
                for record in series.records.values():
                    if record.state is S.RECEIVED:
                        record.state = S.EXPECTED
                        series.touch(record)
            wanted: dict[str, set[str] | None] = {}
            for uid, series in self._series.items():
                if series.excluded:
                    continue
                left = {
                    record.source_uid
                    for record in series.records.values()
                    if record.state not in _SETTLED and not record.is_final
                }
                settled = len(series.records) - len(left)
                if (
                    series.short is not None
                    and not series.fetched_whole
                    or not series.named
                    and (settled < series.expected if series.counted else not series.fetched_whole)
                ):
                    wanted[uid] = None
                elif left:
                    wanted[uid] = left
            return wanted

    def listed(self) -> dict[str, set[str]]:
        """The instances by series that the source has named, or has sent."""
        with self._lock:
            return {uid: set(series.records) for uid, series in self._series.items()}

    def is_surplus(self, series_uid: str, source_uid: str) -> bool:
        """Whether the source should have named the instance, and did not."""
        with self._lock:
            series = self._series.get(series_uid)
            return series is not None and series.named and source_uid not in series.records

    def list_is_short(self, series_uid: str) -> None:
        """Note that the source has more of a series than it lists, whatever they are."""
        with self._lock:
            series = self._series[series_uid]
            series.short, series.fetched_whole, series.dirty = series.listed, False, True

    def short_lists(self) -> list[SeriesLedger]:
        """The series of which the source has more than it lists."""
        with self._lock:
            return [series for series in self._series.values() if series.short is not None]

    # What happens

    def received(self, series_uid: str, source_uid: str, sha256: str, size: int) -> bool:
        """Enter an arrival. False where it is not needed: it came before, or is settled."""
        with self._lock:
            series = self._series.get(series_uid)
            if series is None or series.excluded:
                return False
            record = series.records.get(source_uid)
            if record is None:
                # The study has grown, the source does not name its instances, or not all of them.
                if series.named and series.short is None:
                    series.short, series.fetched_whole = series.listed, False
                record = series.records[source_uid] = InstanceRecord(source_uid)
                series.expected = max(series.expected, len(series.records))
                if self._homes.setdefault(source_uid, series) is not series:
                    refuse(series, record)
                    return False
            elif record.state in _SETTLED or record.state is S.RECEIVED or record.is_final:
                return False
            record.state = S.RECEIVED
            record.sha256_received = sha256
            record.reason = ""
            series.bytes_received += size
            series.touch(record)
            return True

    def came_again(self, source_uid: str, sha256: str) -> None:
        """Compare what came once more with what was received before."""
        with self._lock:
            if self._find(source_uid)[1].sha256_received not in ("", sha256):
                self.in_two_versions.setdefault(source_uid, "")

    def came_in_two_versions(self, source_uid: str, stranger: str = "") -> None:
        """Note that another content came, too, and is kept elsewhere."""
        with self._lock:
            self.in_two_versions[source_uid] = stranger

    def of_another_patient(self, series_uid: str, source_uid: str) -> None:
        """Enter that a copy came that belongs to another patient, who has the same UIDs.

        Another protocol may bring the patient's own; see `others_are_final`.
        """
        with self._lock:
            series = self._series.get(series_uid)
            if series is None or series.excluded:
                return
            record = series.records.get(source_uid)
            if record is None:
                if series.named:
                    # The source did not list it as this patient's.
                    return
                record = series.records[source_uid] = InstanceRecord(source_uid)
                series.expected = max(series.expected, len(series.records))
                self._homes.setdefault(source_uid, series)
            if record.state in (S.EXPECTED, S.FAILED) and not record.is_final:
                record.state, record.reason = S.FAILED, ANOTHER_PATIENT
                series.touch(record)

    def others_are_final(self) -> None:
        """No protocol is left: what came in copies of another patient only is refused for good."""
        with self._lock:
            for series in self._series.values():
                for record in series.records.values():
                    if record.state is S.FAILED and record.reason == ANOTHER_PATIENT:
                        record.retry = False
                        series.touch(record)

    def sent(
        self, source_uid: str, new_series_uid: str, new_uid: str, sha256: str, size: int, note: str
    ) -> None:
        with self._lock:
            series, record = self._find(source_uid)
            record.state = S.SENT
            record.new_uid, record.sha256_sent, record.size = new_uid, sha256, size
            record.reason = note
            counts = self._deid_counts.pop(source_uid, None)
            # One that is sent again counts once: the same instance gives the same counts.
            if counts is not None and not record.counted:
                series.deid_counts.add(counts)
                record.counted = True
            series.new_series_instance_uid = new_series_uid
            series.touch(record)

    def deidentified(self, source_uid: str, counts: DeidCounts) -> None:
        """Note what was done to an instance; it enters the report once the instance is sent."""
        with self._lock:
            self._deid_counts[source_uid] = counts

    def released(self, source_uid: str) -> tuple[frozenset[str], str]:
        """The findings and the digest (as `held`) with which staff released the instance, if so."""
        with self._lock:
            record = self._find(source_uid)[1]
            return frozenset(record.accepted), record.sha256_held if record.accepted else ""

    def held(self, source_uid: str, reason: str, findings: Iterable[str], sha256: str = "") -> None:
        """Hold an instance back, with kinds and tags found, never values, and the digest of what
        would have been sent. What staff decided about other content of it counts no more."""
        with self._lock:
            self._settle(source_uid, S.HELD, reason, retry=False)
            record = self._find(source_uid)[1]
            record.findings, record.accepted = tuple(sorted(set(findings))), ()
            record.sha256_held = sha256

    def converted(self, source_series_uid: str, files: list[dict[str, Any]]) -> None:
        """Enter the files (`name`, `size`, `sha256`) that were made of a series."""
        with self._lock:
            series = self._series[source_series_uid]
            series.files = files
            series.dirty = True

    def excluded(self, source_uid: str, reason: str) -> None:
        self._settle(source_uid, S.EXCLUDED, reason, retry=False)

    def failed(self, source_uid: str, reason: str, *, retry: bool) -> None:
        self._settle(source_uid, S.FAILED, reason, retry=retry)

    def _settle(self, source_uid: str, state: InstanceState, reason: str, *, retry: bool) -> None:
        with self._lock:
            series, record = self._find(source_uid)
            record.state, record.reason, record.retry = state, reason[:200], retry
            self._deid_counts.pop(source_uid, None)
            series.touch(record)

    def _find(self, source_uid: str) -> tuple[SeriesLedger, InstanceRecord]:
        series = self._homes[source_uid]
        return series, series.records[source_uid]

    def fetched(
        self, asked: Mapping[str, set[str] | None], listed: Mapping[str, set[str]] | None = None
    ) -> None:
        """Note that a fetch of these instances, or series, ended without an error.

        Args:
            listed: what was known of the series before. Who asked for all of that asked for the
                series, and got what the source has of it.
        """
        with self._lock:
            for uid, names in asked.items():
                series = self._series[uid]
                all_known = series.short is not None and names == (listed or {}).get(uid)
                series.fetched_whole |= names is None or all_known
                if series.fetched_whole and len(series.records) == series.short:
                    # Nothing came beyond the list after all.
                    series.short, series.dirty = None, True

    def reported(self, number: int) -> None:
        """So many instances, says the source, went straight to the destination: progress only."""
        with self._lock:
            self._reported = number

    # What is proven

    def was_taken(self, source_uid: str, new_uid: str) -> bool:
        """Whether the destination has taken the instance with success before."""
        with self._lock:
            record = self._find(source_uid)[1]
            return bool(record.sha256_sent) and record.new_uid == new_uid

    def sent_unconfirmed(self) -> dict[str, list[InstanceRecord]]:
        """What was sent but not confirmed, by series UID at the destination."""
        found: dict[str, list[InstanceRecord]] = {}
        with self._lock:
            for series in self._series.values():
                if records := [r for r in series.records.values() if r.state is S.SENT]:
                    found[series.new_series_instance_uid] = records
        return found

    def confirmed(self, new_uids: Iterable[str]) -> None:
        """Mark what the destination has shown to hold."""
        proven = set(new_uids)
        with self._lock:
            for series in self._series.values():
                for record in series.records.values():
                    if record.state is S.SENT and record.new_uid in proven:
                        record.state = S.CONFIRMED
                        series.touch(record)

    def found_unchanged(self, series_uid: str, uids: Iterable[str]) -> None:
        """Mark instances that the destination holds although they did not pass through here."""
        with self._lock:
            series = self._series[series_uid]
            for uid in uids:
                record = series.records.get(uid)
                if record is not None and record.state is S.EXPECTED:
                    record.state, record.new_uid, record.reason = S.CONFIRMED, uid, ""
                    series.new_series_instance_uid = series_uid
                    series.touch(record)

    def unconfirmed_are_missing(self, reason: str) -> None:
        """What was sent but cannot be shown at the destination is to be sent again."""
        with self._lock:
            for series in self._series.values():
                for record in series.records.values():
                    if record.state is S.SENT:
                        record.is_not_shown(reason)
                        series.touch(record)

    def files_of(self, new_series_uid: str) -> list[dict[str, Any]]:
        """What was made of a series, by its UID at the destination."""
        with self._lock:
            for series in self._series.values():
                if series.new_series_instance_uid == new_series_uid:
                    return list(series.files)
            return []

    def absent(self, source_series_uid: str, there: set[str]) -> tuple[int, int]:
        """How many instances of a series are neither among those that are `there` (by source
        UID) nor excluded, and how many of these will not come any more."""
        with self._lock:
            series = self._series[source_series_uid]
            out = [r for r in series.records.values() if r.source_uid not in there]
            lost = sum(r.state is S.HELD or r.is_final for r in out)
            excluded = sum(r.state is S.EXCLUDED for r in out)
            unnamed = max(0, series.expected - len(series.records))
            return len(out) - excluded + unnamed, lost

    def start_broken_series_anew(self) -> None:
        """Let a series of which anything is missing be fetched as a whole."""
        with self._lock:
            missing = self.missing()
            for uid in missing:
                series = self._series[uid]
                series.files, series.dirty = [], True
                for record in series.records.values():
                    if record.state in (S.SENT, S.CONFIRMED):
                        record.state = S.EXPECTED
                        series.touch(record)

    def confirmed_uids(self) -> dict[str, str]:
        """The SOP Instance UIDs at the destination of all that is proven, with their series."""
        with self._lock:
            return {
                record.new_uid: series.new_series_instance_uid
                for series in self._series.values()
                for record in series.records.values()
                if record.state is S.CONFIRMED
            }

    # Sums

    def totals(self) -> Totals:
        with self._lock:
            return add_up(self._series.values(), self._reported)

    def reasons(self) -> Counter[str]:
        """Why instances are missing, with how many for each reason."""
        with self._lock:
            return Counter(
                record.reason or "it did not arrive"
                for series in self._series.values()
                for record in series.records.values()
                if record.state not in (S.CONFIRMED, S.EXCLUDED)
            )

    def notes(self) -> Counter[str]:
        """What the destination remarked on instances that it took."""
        with self._lock:
            return Counter(
                record.reason
                for series in self._series.values()
                for record in series.records.values()
                if record.reason and record.state is S.CONFIRMED
            )

    def take_dirty(self, *, compact: bool = False) -> list[SeriesLedger]:
        """The series that changed since the last call; with `compact` also those whose compact form
        holds what is outdated. The caller holds `lock` while it reads."""
        with self._lock:
            dirty = [
                series
                for series in self._series.values()
                if series.dirty or (compact and series.packed.is_outdated(len(series.records)))
            ]
            for series in dirty:
                series.dirty = False
            return dirty

    @property
    def lock(self) -> threading.RLock:
        return self._lock

    @property
    def series(self) -> list[SeriesLedger]:
        with self._lock:
            return list(self._series.values())

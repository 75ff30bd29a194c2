"""The ledger in the database: loaded when a run starts, written while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet

from adit.core.models import DicomTask, SeriesTransfer
from adit.core.models.records import InstanceState, decode_records, encode_records
from adit.core.transfer.deid_counts import DeidCounts
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.packed_records import Change
from adit.core.transfer.run import Run
from adit.core.transfer.series_ledger import SeriesLedger
from adit.core.transfer.totals import Totals


def load_ledger(task_id: int) -> Ledger:
    """The ledger as earlier attempts left it."""
    return Ledger(load_series(row) for row in SeriesTransfer.objects.filter(task_id=task_id))


def load_series(row: SeriesTransfer) -> SeriesLedger:
    """The series of a row."""
    return SeriesLedger(
        series_instance_uid=row.series_instance_uid,
        row_id=row.pk,
        new_series_instance_uid=row.new_series_instance_uid,
        series_number=row.series_number,
        modality=row.modality,
        description=row.description,
        named=row.instances_named,
        short=row.instances_listed,
        expected=row.expected,
        reason=row.reason,
        judged=row.state in (SeriesTransfer.State.WARNING, SeriesTransfer.State.FAILURE),
        bytes_received=row.bytes_received,
        files=row.files,
        records={record.source_uid: record for record in decode_records(row.instances)},
        deid_counts=DeidCounts.from_json(row.deid_counts),
        dirty=False,
    )


def fill_row(row: SeriesTransfer, series: SeriesLedger) -> None:
    """Put the series into its row, which is then to be saved."""
    _fill_counts(row, series)
    row.instances = encode_records(series.records.values())


def _fill_counts(row: SeriesTransfer, series: SeriesLedger) -> None:
    """All columns but the records."""
    counts = series.counts()
    state = InstanceState
    row.new_series_instance_uid = series.new_series_instance_uid
    row.series_number = series.series_number
    row.modality = series.modality[:16]
    row.description = series.description[:64]
    row.reason = series.reason[:255]
    row.instances_named = series.named
    row.instances_listed = series.short
    row.expected = max(series.expected, len(series.records))
    row.excluded = counts[state.EXCLUDED]
    if series.reason and not series.records:
        row.excluded = series.expected
    row.confirmed = counts[state.CONFIRMED]
    row.sent = counts[state.SENT] + row.confirmed
    row.held = counts[state.HELD]
    row.failed = counts[state.FAILED]
    row.received = sum(1 for record in series.records.values() if record.sha256_received)
    row.bytes_received = series.bytes_received
    row.bytes_sent = sum(record.size for record in series.records.values())
    row.files = series.files
    row.state = _state_of(row)
    row.released = sum(1 for record in series.records.values() if record.accepted)
    row.discarded = sum(1 for record in series.records.values() if record.discarded)
    row.deid_counts = series.deid_counts.to_json()


def _state_of(row: SeriesTransfer) -> str:
    state = SeriesTransfer.State
    if row.excluded == row.expected and (row.expected or row.reason):
        return state.EXCLUDED
    if row.expected and row.confirmed + row.excluded == row.expected:
        return state.SUCCESS
    return state.IN_PROGRESS if row.received else state.PENDING


_COLUMNS = [
    field.name
    for field in SeriesTransfer._meta.concrete_fields
    if field.name not in ("id", "task", "series_instance_uid")
]


class LedgerWriter:
    """Writes what changed in the ledger at most once a second, from a thread of its own.

    Only what changed is encoded, but a row is written as a whole: where that takes long, it is done
    more seldom, and at least every `MOST` seconds.

    Rows and progress are written under the lease of the run, in one transaction. When the lease is
    lost the run is told to cancel, and `close` raises what happened.
    """

    INTERVAL = 1.0
    MOST = 10.0
    PATIENCE = 15.0

    def __init__(self, ledger: Ledger, run: Run, task_id: int) -> None:
        self._ledger = ledger
        self._run = run
        self._task_id = task_id
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._rate = 0.0
        self._last_done: int | None = None
        self._last_time = time.monotonic()
        self._thread = threading.Thread(target=self._write_on, name="ledger", daemon=True)

    def __enter__(self) -> LedgerWriter:
        self.write()
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        self.write(compact=True)

    def _write_on(self) -> None:
        """Write every second, or more seldom where that would take more than a tenth of the time; a
        database that is away for a moment is waited for."""
        last_success = time.monotonic()
        pause = self.INTERVAL
        try:
            while not self._stop.wait(pause):
                begin = time.monotonic()
                try:
                    self.write()
                    last_success = time.monotonic()
                    pause = min(max(self.INTERVAL, 9 * (last_success - begin)), self.MOST)
                except (OperationalError, InterfaceError):
                    connection.close()
                    if time.monotonic() - last_success > self.PATIENCE:
                        raise
        except Exception as err:
            self._error = err
            self._run.cancel.cancel()
        finally:
            connection.close()

    def write(self, *, compact: bool = False) -> None:
        """Write now.

        Args:
            compact: leave nothing outdated in the compact form, as more may not come.

        Raises:
            Exception: the lease was lost, or the database is away; nothing was written.
        """
        rows: list[tuple[SeriesLedger, SeriesTransfer, Change]] = []
        with self._ledger.lock:
            taken = self._ledger.take_dirty(compact=compact)
            for series in taken:
                row = SeriesTransfer(
                    id=series.row_id,
                    task_id=self._task_id,
                    series_instance_uid=series.series_instance_uid,
                )
                _fill_counts(row, series)
                rows.append((series, row, series.take_changes(compact=compact)))
            totals = self._ledger.totals()
        # What takes time does not keep the others from the ledger.
        for series, row, change in rows:
            row.instances = series.packed.enter(change)
        try:
            self._store([row for _, row, _ in rows], totals)
        except Exception:
            with self._ledger.lock:
                for series in taken:
                    series.dirty = True
            raise
        for series, row, _ in rows:
            series.row_id = row.pk

    def _store(self, rows: list[SeriesTransfer], totals: Totals) -> None:
        with transaction.atomic():
            self._run.guard()
            SeriesTransfer.objects.bulk_create([row for row in rows if row.pk is None])
            SeriesTransfer.objects.bulk_update([row for row in rows if row.pk], _COLUMNS)
            done = totals.done
            self._run.progress(
                now=True,
                instances_expected=totals.wanted,
                instances_done=done,
                bytes_done=totals.bytes_sent,
                instances_per_second=self._measure(done),
            )

    def _measure(self, done: int) -> float:
        """Instances per second, smoothed over the last seconds."""
        now = time.monotonic()
        if self._last_done is not None and now > self._last_time:
            rate = max(0, done - self._last_done) / (now - self._last_time)
            self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
        self._last_done, self._last_time = done, now
        return round(self._rate, 2)


def forget_series(tasks: QuerySet[DicomTask]) -> None:
    """When tasks start from the beginning: what they did is forgotten, but not which instances
    staff discarded: these stay behind for good."""
    rows = SeriesTransfer.objects.filter(task__in=tasks.values("pk"))
    rows.filter(discarded=0).delete()
    for row in rows.select_for_update().iterator(chunk_size=20):
        known = load_series(row)
        series = SeriesLedger(
            series_instance_uid=known.series_instance_uid,
            series_number=known.series_number,
            modality=known.modality,
            description=known.description,
            named=known.named,
            records={uid: r.left_behind() for uid, r in known.records.items() if r.discarded},
        )
        fill_row(row, series)
        row.save()


_OPEN = (SeriesTransfer.State.PENDING, SeriesTransfer.State.IN_PROGRESS)


def mark_unfinished_series(task_ids: Collection[int]) -> None:
    """At the end of tasks: series that are not complete say so."""
    rows = SeriesTransfer.objects.filter(task_id__in=task_ids, state__in=_OPEN)
    rows.filter(confirmed__gt=0).update(state=SeriesTransfer.State.WARNING)
    rows.filter(confirmed=0).update(state=SeriesTransfer.State.FAILURE)


def mark_canceled_series(task_ids: Collection[int]) -> None:
    """When tasks are canceled: series that are not complete say so."""
    rows = SeriesTransfer.objects.filter(task_id__in=task_ids, state__in=_OPEN)
    rows.update(state=SeriesTransfer.State.CANCELED)


def reopen_canceled_series(tasks: QuerySet[DicomTask]) -> None:
    """When canceled tasks go on: their series wait again."""
    rows = SeriesTransfer.objects.filter(task__in=tasks, state=SeriesTransfer.State.CANCELED)
    rows.update(state=SeriesTransfer.State.PENDING)

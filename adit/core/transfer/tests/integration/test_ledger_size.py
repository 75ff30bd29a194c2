import time
from pathlib import Path

import pytest

from adit.core.dicom import CancelToken
from adit.core.models import SeriesTransfer
from adit.core.models.records import decode_records, encode_records
from adit.core.transfer.ledger_store import LedgerWriter, load_ledger
from adit.core.transfer.tests.synthetic import big_ledger, fill, ledger_bytes, make_job, send

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def test_a_million_instances_would_take_less_than_150_megabytes():
    """Measured at a tenth of it: 10 tasks of 5 series of 40 instances at a time."""
    instances = fill(iter(make_job(600)[1]), 100_000, 40)
    assert ledger_bytes() * (1_000_000 / instances) < 150_000_000


class QuietRun:
    """A run whose lease is never lost."""

    cancel = CancelToken()
    folder = Path()
    attempt = 1

    def event(self, text: str, level: str = "info") -> None:
        pass

    def progress(self, *, now: bool = False, **columns: object) -> None:
        pass

    def guard(self) -> None:
        pass


def test_what_changes_in_a_huge_series_is_written_and_read_back():
    ledger, series, uids = big_ledger(20_000)
    task_id = make_job(1)[1][0]
    writer = LedgerWriter(ledger, QuietRun(), task_id)
    writer.write()
    for start in range(0, 6_000, 200):
        for uid in uids[start : start + 200]:
            send(ledger, uid)
        writer.write()
        # A kill now loses nothing that was written.
        (loaded,) = load_ledger(task_id).series
        assert loaded.records == series.records
    row = SeriesTransfer.objects.get(task_id=task_id)
    assert (row.expected, row.received, row.sent) == (20_000, 6_000, 6_000)
    writer.write(compact=True)
    row.refresh_from_db()
    assert decode_records(row.instances) == list(series.records.values())
    assert len(row.instances) <= 1.01 * len(encode_records(series.records.values()))


def test_an_interrupted_run_goes_on_from_what_was_appended():
    ledger, _, uids = big_ledger(2_000)
    task_id = make_job(1)[1][0]
    writer = LedgerWriter(ledger, QuietRun(), task_id)
    writer.write()
    for uid in uids[:50]:
        send(ledger, uid)
    writer.write()
    again = load_ledger(task_id)
    assert again.missing() == {"1.2": set(uids[50:])}
    for uid in uids[50:60]:
        send(again, uid)
    LedgerWriter(again, QuietRun(), task_id).write()
    (loaded,) = load_ledger(task_id).series
    assert loaded.records == again.series[0].records


def test_writing_takes_a_tenth_of_the_time_at_most(monkeypatch):
    monkeypatch.setattr(LedgerWriter, "INTERVAL", 0.01)
    writes = []

    def slow_write(self, *, compact=False):
        writes.append(compact)
        time.sleep(0.1)

    monkeypatch.setattr(LedgerWriter, "write", slow_write)
    ledger, *_ = big_ledger(1)
    with LedgerWriter(ledger, QuietRun(), 0):
        time.sleep(3)
    assert 3 <= len(writes) <= 6
    assert writes[-1]

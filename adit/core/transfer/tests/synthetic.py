"""A ledger of synthetic instances, written as a run writes it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

from django.db import connection

from adit.core.models import SeriesTransfer
from adit.core.models.records import InstanceRecord, InstanceState, encode_records
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.plan import Plan, PlannedSeries
from adit.core.transfer.series_ledger import SeriesLedger

ROOT = "1.3.12.2.1107.5.2.19.45152."
SERIES_OF_A_TASK = 5
SERIES = "1.2"


def records(seed: int, count: int, state: InstanceState) -> list[InstanceRecord]:
    """Instances of one series with UIDs and digests that no compression can guess."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        uid = f"{ROOT}{rng.randrange(10**14, 10**15)}{rng.randrange(10**9, 10**10)}"
        record = InstanceRecord(uid, state)
        if state is InstanceState.CONFIRMED:
            record.new_uid = f"2.25.{rng.getrandbits(128)}"
            record.size = 520_000 + rng.randrange(2000)
            record.sha256_received = hashlib.sha256(uid.encode()).hexdigest()
            record.sha256_sent = hashlib.sha256(record.new_uid.encode()).hexdigest()
        made.append(record)
    return made


def fill(task_ids: Iterator[int], instances: int, per_series: int) -> int:
    """Write a ledger of so many instances, each series first as expected and then as confirmed;
    the space of the old rows is given back now and then, as autovacuum does."""
    written = number = 0
    while written < instances:
        rows = []
        for task_id in (next(task_ids) for _ in range(10)):
            for _ in range(SERIES_OF_A_TASK):
                number += 1
                expected = records(number, per_series, InstanceState.EXPECTED)
                rows.append(
                    SeriesTransfer(
                        task_id=task_id,
                        series_instance_uid=f"{ROOT}9.{number}",
                        new_series_instance_uid=f"2.25.{random.Random(number).getrandbits(128)}",
                        modality="CT",
                        description="Thorax axial 5 mm",
                        expected=per_series,
                        instances=encode_records(expected),
                    )
                )
        SeriesTransfer.objects.bulk_create(rows)
        for row in rows:
            confirmed = records(row.pk, per_series, InstanceState.CONFIRMED)
            row.instances = encode_records(confirmed)
            row.received = row.sent = row.confirmed = per_series
            row.bytes_sent = sum(record.size for record in confirmed)
        SeriesTransfer.objects.bulk_update(
            rows, ["instances", "received", "sent", "confirmed", "bytes_sent"]
        )
        written += per_series * len(rows)
        if number % 100 == 0:
            with connection.cursor() as cursor:
                cursor.execute("VACUUM core_seriestransfer")
    return written


def ledger_bytes() -> int:
    """What the ledger takes in PostgreSQL: table, TOAST and indexes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('core_seriestransfer')")
        return cursor.fetchone()[0]  # type: ignore[index]


def make_job(count: int) -> tuple[int, list[int]]:
    """A job that has ended well, to hang a ledger on; returns its id and those of its tasks."""
    from adit.core.factories import DicomServerFactory, UserFactory, grant_access
    from adit.core.jobs.actions import create_job
    from adit.core.jobs.registry import get_kind
    from adit.core.models import DicomJob, DicomNode, DicomTask
    from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask

    owner, server = UserFactory(is_superuser=True), DicomServerFactory()
    grant_access(owner.active_group, server, source=True, destination=True)
    node = DicomNode.objects.get(pk=server.pk)
    tasks = [
        SelectiveTransferTask(
            source=node,
            destination=node,
            patient_id=f"P{number}",
            study_instance_uid=f"1.2.{number}",
            pseudonym=f"SUBJECT-{number}",
        )
        for number in range(count)
    ]
    job = SelectiveTransferJob()
    create_job(owner, get_kind("selective_transfer"), job, tasks)
    rows = DicomTask.objects.filter(job_id=job.pk)
    rows.update(state=DicomTask.State.SUCCESS, message="All confirmed.", queued=None)
    DicomJob.objects.filter(pk=job.pk).update(state=DicomJob.State.SUCCESS)
    return job.pk, list(rows.order_by("line").values_list("pk", flat=True))


def big_ledger(number: int) -> tuple[Ledger, SeriesLedger, list[str]]:
    """A ledger that expects one series of so many instances; the series, and their UIDs."""
    ledger = Ledger()
    uids = [f"1.2.3.{n}" for n in range(number)]
    series = PlannedSeries(series_instance_uid=SERIES, instance_uids=uids, expected=number)
    ledger.expect(Plan("P", [series]))
    (one,) = ledger.series
    return ledger, one, uids


def send(ledger: Ledger, uid: str) -> None:
    """Enter that an instance has come and was sent."""
    digest = hashlib.sha256(uid.encode()).hexdigest()
    ledger.received(SERIES, uid, digest, 1000)
    ledger.sent(uid, "2.25.1", f"2.25.{int(digest[:32], 16)}", digest[::-1], 1000, "")

"""What a receipt says, as plain values: a head, and items that follow one by one.

The items of a task's receipt are its series with their instances, those of a job's receipt are its
tasks. They are read in portions, so that a job of any size takes little memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.utils import timezone

from adit.core.models import DicomJob, DicomTask, JobArchive, SeriesTransfer
from adit.core.models.records import InstanceRecord, decode_records
from adit.core.pages.receipts import (
    COUNTS,
    TaskReceipt,
    job_receipts,
    job_statement,
    job_totals,
    task_receipt,
)
from adit.core.pages.source_view import IDENTIFIERS_PERMISSION
from adit.core.pages.task_table import tasks_of_kind

FORMAT = "adit-receipt"
VERSION = 1
_PORTION = 200

_STATES = {
    "e": "expected",
    "r": "received",
    "s": "sent",
    "c": "confirmed",
    "x": "excluded",
    "h": "held",
    "f": "failed",
}

Fields = dict[str, Any]


@dataclass
class ReceiptContent:
    """One receipt as one reader may see it.

    Attributes:
        head: what is known before the items; `head["receipt"]` is "task" or "job".
        items: may be gone through once.
    """

    head: Fields
    items: Iterator[Fields]

    @property
    def items_key(self) -> str:
        """Under which name the items stand."""
        return items_key(self.head)


def items_key(head: Fields) -> str:
    return "series" if head.get("receipt") == "task" else "tasks"


def _start(kind: str, issued: str) -> Fields:
    return {
        "format": FORMAT,
        "version": VERSION,
        "receipt": kind,
        "issued": issued or timezone.now().isoformat(timespec="seconds"),
    }


def task_content(user: Any, task: DicomTask, kind: str, issued: str = "") -> ReceiptContent:
    """The receipt of a task, with all of its instances."""
    receipt = task_receipt(user, task.pk, kind)
    head = {**_start("task", issued), **_task_fields(receipt)}
    head["files"] = sum(len(row.files) for row in receipt.series)
    rows = SeriesTransfer.objects.filter(task_id=task.pk)
    return ReceiptContent(head, (_series_fields(row, receipt) for row in rows.iterator()))


def job_content(user: Any, job: DicomJob, issued: str = "") -> ReceiptContent:
    """The receipt of a job; each task's own receipt lists its instances."""
    total = job_totals(job)
    head = {
        **_start("job", issued),
        "job": job.pk,
        "kind": job.kind,
        "owner": job.owner.get_username(),
        "state": job.state,
        "message": job.message,
        "start": job.start.isoformat() if job.start else None,
        "end": job.end.isoformat() if job.end else None,
        "statement": job_statement(job, total),
        "complete": total.is_complete,
        "totals": asdict(total),
        "shows_source": user.has_perm(IDENTIFIERS_PERMISSION),
        "archive": _archive_fields(job),
    }
    return ReceiptContent(head, _task_items(user, job))


def _task_items(user: Any, job: DicomJob) -> Iterator[Fields]:
    for receipt in receipts_of(user, job):
        yield _task_fields(receipt)


def receipts_of(user: Any, job: DicomJob) -> Iterator[TaskReceipt]:
    """The receipts of all tasks of a job, in portions."""
    tasks = tasks_of_kind(job.kind).filter(job_id=job.pk).order_by("line", "id")
    last = (0, 0)
    while portion := list(_after(tasks, last)[:_PORTION]):
        yield from job_receipts(user, portion)
        last = (portion[-1].line, portion[-1].pk)


def _after(tasks: Any, last: tuple[int, int]) -> Any:
    line, pk = last
    return tasks.filter(line__gt=line) | tasks.filter(line=line, pk__gt=pk)


def _archive_fields(job: DicomJob) -> Fields | None:
    archive = JobArchive.objects.filter(job_id=job.pk).first()
    if archive is None:
        return None
    return {
        "name": archive.name,
        "state": archive.state,
        "files": archive.files,
        "size": archive.size,
        "sha256": archive.sha256,
    }


def _task_fields(receipt: TaskReceipt) -> Fields:
    task = receipt.task
    fields: Fields = {
        "task": task.pk,
        "line": task.line,
        "job": task.job_id,
        "state": task.state,
        "message": task.message,
        "start": task.start.isoformat() if task.start else None,
        "end": task.end.isoformat() if task.end else None,
        "source": task.source.name,
        "destination": receipt.destination,
        "pseudonym": receipt.pseudonym,
        "protocol": task.protocol,
        "proof": getattr(task, "proof", ""),
        "statement": receipt.statement,
        "complete": receipt.totals.is_complete,
        "totals": asdict(receipt.totals),
        "shows_source": receipt.shows_source,
    }
    if receipt.shows_source and hasattr(task, "study_instance_uid"):
        fields["source_study_instance_uid"] = task.study_instance_uid
        fields["source_patient_id"] = task.patient_id
    return fields


def _series_fields(row: SeriesTransfer, receipt: TaskReceipt) -> Fields:
    fields: Fields = {
        "series_instance_uid": row.new_series_instance_uid,
        "series_number": row.series_number,
        "modality": row.modality,
        "state": row.state,
        "reason": receipt.remark(row.reason),
        "instances_named": row.instances_named,
        "instances_listed": row.instances_listed,
        "bytes_sent": row.bytes_sent,
        **{name: getattr(row, name) for name in (*COUNTS, "released", "discarded")},
    }
    if receipt.shows_source:
        fields["source_series_instance_uid"] = row.series_instance_uid
        fields["description"] = row.description
    if row.files:
        fields["files"] = row.files
    records = decode_records(row.instances)
    fields["instances"] = [_instance_fields(record, receipt) for record in records]
    return fields


def _instance_fields(record: InstanceRecord, receipt: TaskReceipt) -> Fields:
    fields: Fields = {
        "sop_instance_uid": record.new_uid,
        "state": _STATES[record.state],
        "size": record.size,
        "sha256_sent": record.sha256_sent,
        "reason": receipt.remark(record.reason),
    }
    if record.findings:
        fields["findings"] = list(record.findings)
    if record.accepted:
        fields["released_with"] = list(record.accepted)
    if record.discarded:
        fields["discarded"] = True
    if receipt.shows_source:
        fields["source_sop_instance_uid"] = record.source_uid
        fields["sha256_received"] = record.sha256_received
    return fields

"""Receipts: what was expected, received, sent and confirmed, for one task or a whole job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Count, Sum

from adit.core.jobs.registry import get_kind
from adit.core.models import DicomJob, SeriesTransfer
from adit.core.pages.task_table import tasks_of_kind
from adit.core.transfer.records import InstanceRecord, decode_records

COUNTS = ("expected", "received", "sent", "confirmed", "excluded", "held", "failed")
_SUMS = (*COUNTS, "released", "discarded", "bytes_sent")
IDENTIFIERS_PERMISSION = "core.view_identifiers_in_receipts"
_STATES = {
    "e": "expected",
    "r": "received",
    "s": "sent",
    "c": "confirmed",
    "x": "excluded",
    "h": "held",
    "f": "failed",
}


@dataclass
class Totals:
    """Sums over series. Every count is a number of instances.

    Attributes:
        empty_tasks: how many of a job's tasks have nothing that could have been confirmed.
    """

    series: int = 0
    expected: int = 0
    received: int = 0
    sent: int = 0
    confirmed: int = 0
    excluded: int = 0
    held: int = 0
    failed: int = 0
    released: int = 0
    discarded: int = 0
    bytes_sent: int = 0
    empty_tasks: int = 0

    @property
    def wanted(self) -> int:
        """What had to arrive: all but what was excluded on purpose."""
        return max(0, self.expected - self.excluded)

    @property
    def is_complete(self) -> bool:
        """Zero expected is never complete."""
        return self.wanted > 0 and self.confirmed >= self.wanted and not self.empty_tasks

    def add(self, other: Totals) -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class TaskReceipt:
    """The receipt of one task.

    Attributes:
        shows_source: whether the reader may see UIDs and descriptions of the source.
    """

    task: Any
    destination: str
    pseudonym: str
    shows_source: bool
    series: list[Any]
    totals: Totals = field(default_factory=Totals)

    @property
    def statement(self) -> str:
        """`312 of 312 instances confirmed at ORTHANC2`."""
        return _statement(self.totals, self.destination)


def _statement(totals: Totals, places: str) -> str:
    if not totals.expected:
        return "Nothing is known of any instance yet"
    noun = "instance" if totals.wanted == 1 else "instances"
    text = f"{totals.confirmed} of {totals.wanted} {noun} confirmed at {places}"
    if totals.excluded:
        text += f", {totals.excluded} excluded"
    if totals.discarded:
        text += f" ({totals.discarded} discarded by staff)"
    if totals.held:
        text += f", {totals.held} held for staff to decide"
    if totals.released:
        text += f", {totals.released} released by staff"
    if totals.empty_tasks:
        noun = "task" if totals.empty_tasks == 1 else "tasks"
        text += f", and {totals.empty_tasks} {noun} with nothing to confirm"
    return text


def sums(task_ids: list[int]) -> dict[int, Totals]:
    """The totals of each of the tasks, in one query."""
    totals = {task_id: Totals() for task_id in task_ids}
    columns: dict[str, Any] = {f"sum_{name}": Sum(name) for name in _SUMS}
    columns["number"] = Count("id")
    rows = SeriesTransfer.objects.filter(task_id__in=task_ids).order_by().values("task_id")
    for row in rows.annotate(**columns):
        entry = totals[row["task_id"]]
        for name in _SUMS:
            setattr(entry, name, int(row[f"sum_{name}"]))
        entry.series = row["number"]
    return totals


def may_see_source(user: Any, pseudonym: str) -> bool:
    """Identifiers of the source are for everybody where nothing was pseudonymised, else for those
    with the permission."""
    return not pseudonym or user.has_perm(IDENTIFIERS_PERMISSION)


def task_receipt(user: Any, task_id: int, kind: str) -> TaskReceipt:
    task = tasks_of_kind(kind).select_related("job").get(pk=task_id)
    rows: list[Any] = list(task.series.defer("instances"))
    receipt = _receipt(user, task, rows)
    for row in rows:
        counts = {name: getattr(row, name) for name in _SUMS}
        receipt.totals.add(Totals(series=1, **counts))
    return receipt


def _receipt(user: Any, task: Any, rows: list[Any]) -> TaskReceipt:
    destination = getattr(task, "destination", None)
    pseudonym = getattr(task, "pseudonym", "")
    return TaskReceipt(
        task=task,
        destination=destination.name if destination else "–",
        pseudonym=pseudonym,
        shows_source=may_see_source(user, pseudonym),
        series=rows,
    )


def job_receipts(user: Any, job: DicomJob) -> tuple[list[TaskReceipt], Totals]:
    """The receipts of all tasks of a job without their series, and the sum."""
    tasks = list(tasks_of_kind(job.kind).filter(job_id=job.pk).order_by("line", "id"))
    totals_by_task = sums([task.pk for task in tasks])
    receipts, total = [], Totals()
    for task in tasks:
        receipt = _receipt(user, task, [])
        receipt.totals = totals_by_task[task.pk]
        total.add(receipt.totals)
        total.empty_tasks += receipt.totals.wanted == 0
        receipts.append(receipt)
    return receipts, total


def job_statement(receipts: list[TaskReceipt], total: Totals) -> str:
    """The statement over all tasks of a job."""
    places = sorted({receipt.destination for receipt in receipts})
    return _statement(total, ", ".join(places))


def _instance_json(record: InstanceRecord, shows_source: bool) -> dict[str, Any]:
    entry = {
        "sop_instance_uid": record.new_uid,
        "state": _STATES[record.state],
        "size": record.size,
        "sha256_sent": record.sha256_sent,
        "reason": record.reason,
        "findings": list(record.findings),
        "released_with": list(record.accepted),
        "discarded": record.discarded,
    }
    if shows_source:
        entry["source_sop_instance_uid"] = record.source_uid
        entry["sha256_received"] = record.sha256_received
    return entry


def task_receipt_json(receipt: TaskReceipt, *, instances: bool = True) -> dict[str, Any]:
    """The receipt of a task for machines. `size` is in bytes."""
    task = receipt.task
    content: dict[str, Any] = {
        "task": task.pk,
        "job": task.job_id,
        "state": task.state,
        "start": task.start.isoformat() if task.start else None,
        "end": task.end.isoformat() if task.end else None,
        "source": task.source.name,
        "destination": receipt.destination,
        "pseudonym": receipt.pseudonym,
        "protocol": task.protocol,
        "statement": receipt.statement,
        "complete": receipt.totals.is_complete,
        "totals": asdict(receipt.totals),
        "series": [_series_json(row, receipt, instances) for row in receipt.series],
    }
    if receipt.shows_source and hasattr(task, "study_instance_uid"):
        content["source_study_instance_uid"] = task.study_instance_uid
        content["source_patient_id"] = task.patient_id
    return content


def _series_json(row: Any, receipt: TaskReceipt, instances: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "series_instance_uid": row.new_series_instance_uid,
        "series_number": row.series_number,
        "modality": row.modality,
        "state": row.state,
        "reason": row.reason,
        "instances_named": row.instances_named,
        "bytes_sent": row.bytes_sent,
        **{name: getattr(row, name) for name in (*COUNTS, "released", "discarded")},
    }
    if receipt.shows_source:
        entry["source_series_instance_uid"] = row.series_instance_uid
        entry["description"] = row.description
    if instances:
        entry["instances"] = [
            _instance_json(record, receipt.shows_source) for record in decode_records(row.instances)
        ]
    return entry


def job_receipt_json(job: DicomJob, receipts: list[TaskReceipt], total: Totals) -> dict[str, Any]:
    """The receipt of a job for machines; each task's own receipt lists its instances."""
    return {
        "job": job.pk,
        "kind": get_kind(job.kind).key,
        "state": job.state,
        "statement": job_statement(receipts, total),
        "complete": total.is_complete,
        "totals": asdict(total),
        "tasks": [task_receipt_json(receipt, instances=False) for receipt in receipts],
    }

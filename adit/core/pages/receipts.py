"""Receipts: what was expected, received, sent and confirmed, for one task or a whole job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Count, F, Sum

from adit.core.models import DicomJob, DicomNode, DicomTask, SeriesTransfer, TransferTask
from adit.core.pages.source_view import as_seen, may_see_source, series_as_seen, without_source
from adit.core.pages.task_table import tasks_of_kind

COUNTS = ("expected", "received", "sent", "confirmed", "excluded", "held", "failed")
_SUMS = (*COUNTS, "released", "discarded", "bytes_sent")


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
        remark: makes of a remark on a series or an instance what the reader may see of it.
    """

    task: Any
    destination: str
    pseudonym: str
    shows_source: bool
    series: list[Any]
    remark: Callable[[str], str]
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
    shows = may_see_source(user, pseudonym)
    return TaskReceipt(
        task=as_seen(task, shows),
        destination=destination.name if destination else "–",
        pseudonym=pseudonym,
        shows_source=shows,
        series=[series_as_seen(row, task, shows) for row in rows],
        remark=lambda text: text if shows else without_source(text, task),
    )


def job_totals(job: DicomJob) -> Totals:
    """The sum over all tasks of a job, whatever their number."""
    columns: dict[str, Any] = {f"sum_{name}": Sum(name) for name in _SUMS}
    columns["number"] = Count("id")
    rows = SeriesTransfer.objects.filter(task__job_id=job.pk).order_by()
    found = rows.aggregate(**columns)
    total = Totals(series=found["number"])
    for name in _SUMS:
        setattr(total, name, int(found[f"sum_{name}"] or 0))
    filled = rows.filter(expected__gt=F("excluded")).values("task_id").distinct().count()
    total.empty_tasks = DicomTask.objects.filter(job_id=job.pk).count() - filled
    return total


def job_receipts(user: Any, tasks: Iterable[Any]) -> list[TaskReceipt]:
    """The receipts of some tasks of a job, without their series."""
    tasks = list(tasks)
    totals = sums([task.pk for task in tasks])
    receipts = []
    for task in tasks:
        receipt = _receipt(user, task, [])
        receipt.totals = totals[task.pk]
        receipts.append(receipt)
    return receipts


def job_statement(job: DicomJob, total: Totals) -> str:
    """The statement over all tasks of a job."""
    tasks = tasks_of_kind(job.kind)
    places = ["–"]
    if issubclass(tasks.model, TransferTask):
        ids = tasks.model.objects.filter(job_id=job.pk).order_by().values("destination_id")
        places = list(DicomNode.objects.filter(pk__in=ids).values_list("name", flat=True))
    return _statement(total, ", ".join(sorted(places)))

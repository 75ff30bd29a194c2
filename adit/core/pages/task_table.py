"""The table of a job's tasks: filtered, searched, sorted and paged by a few known fields."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from adit.core.jobs.registry import get_kind
from adit.core.jobs.waiting import retry_reason
from adit.core.models import DicomJob, DicomTask, TransferTask

PAGE_SIZE = 50
_SORTS = {
    "line": ("line", "id"),
    "-line": ("-line", "-id"),
    "state": ("state", "line"),
    "-state": ("-state", "line"),
    "start": ("start", "line"),
    "-start": ("-start", "line"),
    "instances": ("instances_expected", "line"),
    "-instances": ("-instances_expected", "line"),
}


@dataclass(frozen=True)
class TaskChoices:
    """What the user chose to see. The search text is only ever taken from a POST: it may be a
    patient ID, which must not stand in an address."""

    state: str = ""
    search: str = ""
    sort: str = "line"
    page: str = "1"

    @classmethod
    def from_request(cls, request: HttpRequest) -> TaskChoices:
        data = request.POST if request.method == "POST" else request.GET
        state, sort = data.get("state", ""), data.get("sort", "line")
        search = "".join(c for c in request.POST.get("search", "") if c.isprintable())
        return cls(
            state=state if state in DicomTask.State.values else "",
            search=search.strip()[:64],
            sort=sort if sort in _SORTS else "line",
            page=data.get("page", "1"),
        )


def tasks_of_kind(kind: str) -> QuerySet[Any]:
    """The tasks of a kind with the columns of its app, and their nodes."""
    model: Any = get_kind(kind).task_model
    nodes = ["source", "destination"] if issubclass(model, TransferTask) else ["source"]
    return model.objects.select_related(*nodes).defer("log")


def find_tasks(job: DicomJob, choices: TaskChoices) -> Any:
    """One page (`Page`) of the job's tasks."""
    tasks = tasks_of_kind(job.kind).filter(job_id=job.pk).order_by(*_SORTS[choices.sort])
    if choices.state:
        tasks = tasks.filter(state=choices.state)
    if choices.search:
        matches = Q(message__icontains=choices.search)
        if choices.search.isdecimal():
            matches |= Q(line=int(choices.search))
        if issubclass(tasks.model, TransferTask):
            matches |= Q(pseudonym__icontains=choices.search)
            matches |= Q(patient_id__icontains=choices.search)
            matches |= Q(study_instance_uid=choices.search)
        tasks = tasks.filter(matches)
    return with_notes(Paginator(tasks, PAGE_SIZE).get_page(choices.page))


def tasks_by_id(job: DicomJob, task_ids: Collection[int]) -> list[Any]:
    """Those of the tasks that belong to the job."""
    tasks = tasks_of_kind(job.kind).filter(job_id=job.pk, pk__in=task_ids).order_by("line", "id")
    return list(with_notes(tasks))


def with_notes(tasks: Any) -> Any:
    """Give each task a `note`: its message, or why it waits."""
    now = timezone.now()
    for task in tasks:
        task.note = task.message
        if task.state == DicomTask.State.PENDING and task.not_before:
            task.note = f"{retry_reason(task.not_before, now)}: {task.message}".rstrip(": ")
    return tasks

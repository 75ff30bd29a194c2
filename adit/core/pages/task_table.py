"""The table of a job's tasks: filtered, searched, sorted and paged by a few known fields."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from adit.core.jobs.actions import fitting_actions
from adit.core.jobs.registry import get_kind
from adit.core.jobs.waiting import reasons_for_tasks
from adit.core.models import DicomJob, DicomTask, TransferTask
from adit.core.pages.search_memory import clean_search, recall, remember, tasks_of
from adit.core.pages.source_view import found_in_message, found_in_source, sees_sources

PAGE_SIZE = 50
_SORTS = {
    "line": ("line", "id"),
    "-line": ("-line", "-id"),
    "state": ("state", "line", "id"),
    "-state": ("-state", "line", "id"),
    "start": ("start", "line", "id"),
    "-start": ("-start", "line", "id"),
    "instances": ("instances_expected", "line", "id"),
    "-instances": ("-instances_expected", "line", "id"),
}


@dataclass(frozen=True)
class TaskChoices:
    """What the user chose to see. The search text is only ever taken from a POST or from the
    session: it may be a patient ID, which must not stand in an address."""

    state: str = ""
    search: str = ""
    sort: str = "line"
    page: str = "1"

    @classmethod
    def of(cls, data: Any, search: str = "") -> TaskChoices:
        """What makes no sense counts as not chosen."""
        state, sort = str(data.get("state", "")), str(data.get("sort", ""))
        return cls(
            state=state if state in DicomTask.State.values else "",
            search=clean_search(search),
            sort=sort if sort in _SORTS else "line",
            page=str(data.get("page", "1"))[:10],
        )

    @classmethod
    def from_request(cls, request: HttpRequest, job_id: int) -> TaskChoices:
        """A POST brings a search, which is remembered for the GETs that follow."""
        name = tasks_of(job_id)
        if request.method == "POST":
            choices = cls.of(request.POST, request.POST.get("search", ""))
            remember(request.session, name, choices.search)
            return choices
        if "all" in request.GET:
            remember(request.session, name, "")
        return cls.of(request.GET, recall(request.session, name))

    @property
    def query(self) -> str:
        """These choices, without the search, as the query of an address."""
        chosen = {"state": self.state, "sort": self.sort if self.sort != "line" else ""}
        chosen["page"] = self.page if self.page != "1" else ""
        return urlencode({name: value for name, value in chosen.items() if value})


def tasks_of_kind(kind: str) -> QuerySet[Any]:
    """The tasks of a kind with the columns of its app, and their nodes."""
    model: Any = get_kind(kind).task_model
    nodes = ["source", "destination"] if issubclass(model, TransferTask) else ["source"]
    return model.objects.select_related(*nodes).defer("log")


def chosen_tasks(user: Any, job: DicomJob, choices: TaskChoices) -> QuerySet[Any]:
    """The job's tasks as the user has chosen them, all pages of them."""
    tasks = tasks_of_kind(job.kind).filter(job_id=job.pk).order_by(*_SORTS[choices.sort])
    if choices.state:
        tasks = tasks.filter(state=choices.state)
    if choices.search:
        tasks = tasks.filter(_matches(tasks.model, choices.search, sees_sources(user, job)))
    return tasks


def _matches(model: Any, text: str, sees: bool) -> Q:
    """Row, patient, study, pseudonym, message; patient and study where the reader sees them."""
    matches = found_in_message(model, sees, text)
    if text.isascii() and text.isdecimal() and int(text) < 2**31:
        matches |= Q(line=int(text))
    if issubclass(model, TransferTask):
        source = Q(patient_id__icontains=text) | Q(study_description__icontains=text)
        source |= Q(study_instance_uid__startswith=text)
        matches |= Q(pseudonym__icontains=text) | found_in_source(sees, source)
    return matches


class _CountedPaginator(Paginator):
    """A paginator that is told the number of rows."""

    def __init__(self, rows: Any, per_page: int, known: int) -> None:
        super().__init__(rows, per_page)
        self._known = known

    @cached_property
    def count(self) -> int:
        return self._known


def find_tasks(
    user: Any, job: DicomJob, choices: TaskChoices, counts: dict[str, int] | None = None
) -> Page:
    """One page of the job's tasks; `counts` are those of all tasks by state, where known."""
    tasks = chosen_tasks(user, job, choices)
    if counts is None or choices.search:
        # The search reads columns of both tables; counting the common one alone would not do.
        paginator = Paginator(tasks, PAGE_SIZE)
    else:
        number = counts.get(choices.state, 0) if choices.state else sum(counts.values())
        paginator = _CountedPaginator(tasks, PAGE_SIZE, number)
    page: Any = paginator.get_page(choices.page)
    page.object_list = list(page.object_list)
    return page


def tasks_by_id(job: DicomJob, task_ids: Collection[int]) -> list[Any]:
    """Those of the tasks that belong to the job."""
    tasks = tasks_of_kind(job.kind).filter(job_id=job.pk, pk__in=task_ids)
    return list(tasks.order_by("line", "id"))


def add_notes(job: DicomJob, tasks: Iterable[Any], also: Iterable[Any] = ()) -> dict[int, str]:
    """Give each task of the job a `note` (its message, or why it waits) and the names of the
    actions that could be done on it now, `fitting`.

    Returns:
        Why those of `tasks` and `also` wait that do, by id.
    """
    tasks = list(tasks)
    for task in tasks:
        task.job = job
    reasons = reasons_for_tasks([*tasks, *also])
    fitting = fitting_actions(job, tasks)
    for task in tasks:
        task.fitting = fitting[task.pk]
        reason = reasons.get(task.pk, "")
        task.note = (
            f"{reason}. {task.message}" if reason and task.message else reason or task.message
        )
    return reasons

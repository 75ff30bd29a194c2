"""The live parts of pages as HTML, each under the id of the element that it replaces.

WebSocket, polling and the page itself render the same templates. What is read for a job or a task
is read once, for all who watch it; what depends on the user is added when it is rendered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Count, OuterRef, Q, When, Window
from django.db.models.functions import JSONObject
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from adit.core.jobs.actions import JOB_ACTIONS
from adit.core.jobs.notices import notices_for
from adit.core.jobs.registry import all_kinds, get_kind
from adit.core.jobs.waiting import next_tasks, reasons_for_waiting
from adit.core.models import DicomJob, DicomTask, JobArchive, SeriesTransfer, TaskEvent
from adit.core.pages.action_buttons import job_buttons, task_buttons
from adit.core.pages.feeds import Fragments
from adit.core.pages.held.found import held_count
from adit.core.pages.job_search import JobChoices, find_jobs
from adit.core.pages.progress import JobProgress, elapsed, progress_of, task_elapsed
from adit.core.pages.source_view import (
    as_seen,
    event_as_seen,
    events_as_seen,
    hides_source,
    link_to_kind,
    sees_sources,
    series_as_seen,
)
from adit.core.pages.task_table import add_notes, tasks_of_kind

RUNNING_SHOWN = 8
RECENT_SHOWN = 10
EVENTS_SHOWN = 50
TASK_EVENTS_SHOWN = 200


def as_response(fragments: Fragments) -> HttpResponse:
    """The answer to a poll: all fragments, swapped out of band.

    HTML allows table rows beside other elements only inside of a template.
    """
    return HttpResponse(
        "".join(
            f"<template>{html}</template>" if html.startswith("<tr") else html
            for html in fragments.values()
        )
    )


def with_progress(jobs: Collection[DicomJob]) -> list[Any]:
    """Give each job its `progress`, `elapsed` and `kind_label`."""
    progress = progress_of([job.pk for job in jobs])
    decorated: list[Any] = list(jobs)
    for job in decorated:
        job.progress = progress[job.pk]
        job.elapsed = elapsed(job)
        job.kind_label = get_kind(job.kind).label
    return decorated


@dataclass
class JobReading:
    """What the live parts of a job's page show.

    Attributes:
        fitting: names of the actions that the state of the job allows.
        rows: those tasks of the table that are on somebody's screen.
    """

    job: Any
    waiting: list[str]
    running: list[Any]
    events: list[TaskEvent]
    fitting: frozenset[str]
    rows: list[Any] = field(default_factory=list)
    archive: JobArchive | None = None
    # Rendered once for all who see the sources behind pseudonyms, and once for all others.
    _rendered: dict[bool, tuple[Fragments, dict[int, str]]] = field(default_factory=dict)
    _seen_events: dict[bool, list[TaskEvent]] = field(default_factory=dict)

    @property
    def progress(self) -> JobProgress:
        return self.job.progress

    def context(self, user: Any) -> dict[str, Any]:
        shared = self._shared(sees_sources(user, self.job))
        return {**shared, "actions": job_buttons(user, self.job, self.fitting)}

    def fragments(self, user: Any, rows: Collection[int] = ()) -> Fragments:
        """The live parts as this user sees them, and those rows of the table that he looks at."""
        sees = sees_sources(user, self.job)
        actions = job_buttons(user, self.job, self.fitting, only_fitting=True)
        context = {**self._shared(sees), "actions": actions, "oob": True}
        if sees not in self._rendered:
            self._rendered[sees] = self._render(sees)
        parts, row_parts = self._rendered[sees]
        return {
            "job-actions": render_to_string("core/jobs/_actions.html", context),
            **parts,
            **{f"task-{pk}": html for pk, html in row_parts.items() if pk in rows},
        }

    def _shared(self, sees: bool) -> dict[str, Any]:
        if sees not in self._seen_events:
            self._seen_events[sees] = events_as_seen(self.job, self.events, sees)
        running_count = self.running[0].running_count if self.running else 0
        return {
            "job": self.job,
            "progress": self.progress,
            "waiting": self.waiting,
            "archive": self.archive,
            "running": self.running,
            "running_more": max(0, running_count - len(self.running)),
            "events": self._seen_events[sees],
            "may_retry_warned": "retry_warned" in self.fitting,
        }

    def _render(self, sees: bool) -> tuple[Fragments, dict[int, str]]:
        """What those see who may, or may not, see the sources behind pseudonyms."""
        context = {**self._shared(sees), "oob": True}
        templates = {
            "job-live": "core/jobs/_live.html",
            "job-events": "core/jobs/_events.html",
            "job-times": "core/jobs/_times.html",
            "retry-choice": "core/jobs/_retry_choice.html",
        }
        parts: Fragments = {
            key: render_to_string(template, context) for key, template in templates.items()
        }
        rows = {}
        for task in self.rows:
            row = {"task": as_seen(task, sees), "job": self.job, "oob": True}
            rows[task.pk] = render_to_string("core/jobs/_task_row.html", row).strip()
        return parts, rows


def read_job(job: Any, rows: Iterable[Any] = ()) -> JobReading:
    """Read what the page of a job shows. The job comes with its owner and its archive, and with its
    progress where that is known; the rows are tasks of it."""
    if not hasattr(job, "progress"):
        with_progress([job])
    rows, following = list(rows), next_tasks(job)
    reasons = add_notes(job, rows, following)
    unverified = job.state == DicomJob.State.UNVERIFIED
    # By time, not by id alone: PostgreSQL would walk through all younger events of other jobs.
    events = TaskEvent.objects.filter(job_id=job.pk).order_by("-time", "-id")
    return JobReading(
        job=job,
        waiting=reasons_for_waiting(job) if unverified else [reasons[t.pk] for t in following],
        running=_running_tasks(job),
        events=list(events.select_related(*_event_parts(job)).defer("task__log")[:EVENTS_SHOWN]),
        fitting=frozenset(name for name, action in JOB_ACTIONS.items() if action.fits(job)),
        rows=rows,
        archive=getattr(job, "archive", None),
    )


def _event_parts(job: Any) -> list[str]:
    link = link_to_kind(job)
    return ["task", f"task__{link}"] if link else ["task"]


def _running_tasks(job: Any) -> list[Any]:
    """The first of the running tasks, each with the series that it works on, and with how many
    there are: told by the same statement, for another one may see others."""
    if not job.progress.counts.get(DicomTask.State.IN_PROGRESS):
        return []
    series = SeriesTransfer.objects.filter(
        task=OuterRef("pk"), state=SeriesTransfer.State.IN_PROGRESS
    ).values(
        series=JSONObject(
            number="series_number", modality="modality", confirmed="confirmed", expected="expected"
        )
    )
    found = DicomTask.objects.filter(job_id=job.pk, state=DicomTask.State.IN_PROGRESS)
    found = found.annotate(
        current_series=ArraySubquery(series), running_count=Window(Count("*"))
    ).defer("log")
    tasks: list[Any] = list(found.order_by("start", "id")[:RUNNING_SHOWN])
    for task in tasks:
        task.elapsed = task_elapsed(task)
    return tasks


@dataclass
class TaskReading:
    """What the live parts of a task's page show."""

    task: Any
    series: list[SeriesTransfer]
    events: list[TaskEvent]
    fitting: frozenset[str]
    # Likewise.
    _rendered: dict[bool, str] = field(default_factory=dict)

    def context(self, user: Any) -> dict[str, Any]:
        """What the page shows this user."""
        shared = self._shared(sees_sources(user, self.task.job))
        return {**shared, "actions": task_buttons(user, self.task, self.fitting)}

    def fragments(self, user: Any) -> Fragments:
        """The live parts as this user sees them."""
        sees = sees_sources(user, self.task.job)
        if sees not in self._rendered:
            context = {**self._shared(sees), "oob": True}
            self._rendered[sees] = render_to_string("core/tasks/_live.html", context)
        actions = {**self.context(user), "oob": True}
        return {
            "task-actions": render_to_string("core/tasks/_actions.html", actions),
            "task-live": self._rendered[sees],
        }

    def _shared(self, sees: bool) -> dict[str, Any]:
        return {
            "task": as_seen(self.task, sees),
            "job": self.task.job,
            "elapsed": task_elapsed(self.task),
            "series": [series_as_seen(row, self.task, sees) for row in self.series],
            "events": [event_as_seen(event, self.task, sees) for event in self.events],
            "sees_source": not hides_source(self.task, sees),
        }


def read_task(task_id: int, kind: str) -> TaskReading | None:
    """Read what a task's page shows, its ledger and its events; None where it is gone."""
    tasks = tasks_of_kind(kind).select_related("job", "job__owner")
    task = tasks.filter(pk=task_id).first()
    if task is None:
        return None
    add_notes(task.job, [task])
    return TaskReading(
        task=task,
        series=list(task.series.defer("instances")),
        events=_task_events(task),
        fitting=frozenset(task.fitting),
    )


def _task_events(task: Any) -> list[TaskEvent]:
    """The last events of the task and of its job as a whole, the newest first."""
    own = TaskEvent.objects.filter(task_id=task.pk).order_by("-id")
    of_job = TaskEvent.objects.filter(job_id=task.job_id, task=None).order_by("-id")
    events = [*own[:TASK_EVENTS_SHOWN], *of_job[:TASK_EVENTS_SHOWN]]
    return sorted(events, key=lambda event: event.pk, reverse=True)[:TASK_EVENTS_SHOWN]


def list_context(user: Any, choices: JobChoices) -> dict[str, Any]:
    """What the list of jobs shows."""
    page = find_jobs(user, choices)
    heads = [("id", "Job"), ("state", "State"), *([("owner", "Owner")] if user.is_staff else [])]
    return {
        "notices": notices_for(user),
        "page": page,
        "heads": [
            {
                "name": name,
                "label": label,
                "order": choices.order_of(name),
                "url": choices.sorted_by(name).address,
            }
            for name, label in heads
        ],
        "previous": _page_address(choices, page.number - 1) if page.has_previous() else "",
        "next": _page_address(choices, page.number + 1) if page.has_next() else "",
        "all": f"{reverse('core:job_list')}?all=1{'&own=1' if choices.own else ''}",
        "starts": [] if page.object_list else _starts(user),
        "jobs": with_progress(page.object_list),
        "choices": choices,
        "user": user,
    }


def _starts(user: Any) -> list[tuple[str, str]]:
    """The kinds of jobs that the user may start, with the addresses of their forms."""
    kinds = [kind for kind in all_kinds() if user.has_perm(kind.add_permission)]
    return [(kind.label, reverse(kind.url_name)) for kind in kinds]


def _page_address(choices: JobChoices, number: int) -> str:
    return replace(choices, page=str(number)).address


def list_fragments(user: Any, choices: JobChoices) -> Fragments:
    """The table of jobs, and its rows one by one."""
    context = list_context(user, choices)
    fragments = {
        "job-table": render_to_string("core/jobs/_table.html", {**context, "oob": True}),
        # Another number of jobs changes the foot of the table.
        f"of-{context['page'].paginator.count}": "",
        # And so do other notices above it.
        f"notices-{context['notices']}": "",
    }
    for job in context["jobs"]:
        row = {"job": job, "user": user, "oob": True}
        fragments[f"job-{job.pk}"] = render_to_string("core/jobs/_job_row.html", row).strip()
    return fragments


def home_context(user: Any) -> dict[str, Any]:
    """The user's own jobs that have not ended, those at work first, and those that ended last."""
    own = DicomJob.objects.filter(owner=user)
    # One more than is shown tells whether there are more.
    at_work = Q(state__in=(DicomJob.State.IN_PROGRESS, DicomJob.State.CANCELING))
    unended = own.exclude(state__in=DicomJob.ENDED).order_by(
        Case(When(at_work, then=0), default=1), "-id"
    )
    open_jobs = list(unended[: RECENT_SHOWN + 1])
    ended = own.filter(state__in=DicomJob.ENDED).order_by("-end", "-id")[:RECENT_SHOWN]
    jobs = with_progress([*open_jobs[:RECENT_SHOWN], *ended])
    return {
        "notices": notices_for(user),
        "running": [job for job in jobs if not job.is_ended],
        "running_more": len(open_jobs) > RECENT_SHOWN,
        "recent": [job for job in jobs if job.is_ended],
        # Only an empty page says where to start.
        "starts": [] if open_jobs else _starts(user),
        "unverified": (
            DicomJob.objects.filter(state=DicomJob.State.UNVERIFIED).count() if user.is_staff else 0
        ),
        "held": held_count() if user.is_staff else 0,
    }


def home_fragments(user: Any) -> Fragments:
    context = {**home_context(user), "user": user, "oob": True}
    return {"home-jobs": render_to_string("core/_home_jobs.html", context)}

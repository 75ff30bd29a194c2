"""The live parts of pages as HTML, each under the id of the element that it replaces.

WebSocket, polling and the page itself render the same templates.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from adit.core.jobs.registry import get_kind
from adit.core.jobs.waiting import reasons_for_waiting
from adit.core.models import DicomJob, DicomTask, JobArchive, SeriesTransfer, TaskEvent
from adit.core.pages.action_buttons import action_buttons
from adit.core.pages.progress import elapsed, progress_of
from adit.core.pages.task_table import tasks_by_id, tasks_of_kind, with_notes

Fragments = dict[str, str]

RUNNING_SHOWN = 8
RECENT_SHOWN = 10
EVENTS_SHOWN = 50
_ENDED = DicomJob.ENDED


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


def job_context(user: Any, job: DicomJob) -> dict[str, Any]:
    """What the live parts of a job's page show."""
    running = (
        tasks_of_kind(job.kind)
        .filter(job_id=job.pk, state=DicomTask.State.IN_PROGRESS)
        .order_by("start", "id")
    )
    decorated = with_progress([job])[0]
    tasks = list(running[:RUNNING_SHOWN])
    series = SeriesTransfer.objects.filter(
        task__in=[task.pk for task in tasks], state=SeriesTransfer.State.IN_PROGRESS
    ).defer("instances")
    for task in tasks:
        task.current_series = [row for row in series if row.task_id == task.pk]  # type: ignore[attr-defined]
        task.elapsed = elapsed(task)
    return {
        "job": decorated,
        "progress": decorated.progress,
        "waiting": reasons_for_waiting(job),
        "archive": JobArchive.objects.filter(job_id=job.pk).defer("password", "parts_key").first(),
        "running": tasks,
        "running_more": max(0, decorated.progress.counts.get("IN_PROGRESS", 0) - RUNNING_SHOWN),
        "actions": action_buttons(user, job),
        "events": (TaskEvent.objects.filter(task__job=job).select_related("task").order_by("-id"))[
            :EVENTS_SHOWN
        ],
    }


def job_fragments(user: Any, job: DicomJob, task_ids: Collection[int] = ()) -> Fragments:
    """The head of a job's page and those rows of its task table that are on the screen."""
    context = {**job_context(user, job), "oob": True}
    fragments: Fragments = {
        "job-actions": render_to_string("core/jobs/_actions.html", context),
        "job-live": render_to_string("core/jobs/_live.html", context),
        "job-events": render_to_string("core/jobs/_events.html", context),
        "job-times": render_to_string("core/jobs/_times.html", context),
    }
    for task in tasks_by_id(job, task_ids):
        fragments[f"task-{task.pk}"] = render_to_string(
            "core/jobs/_task_row.html", {"task": task, "job": job, "oob": True}
        ).strip()
    return fragments


def task_context(task_id: int, kind: str) -> dict[str, Any]:
    """What a task's page shows, its ledger and its events."""
    task = tasks_of_kind(kind).select_related("job").get(pk=task_id)
    with_notes([task])
    return {
        "task": task,
        "elapsed": elapsed(task),
        "series": list(task.series.defer("instances")),
        "events": list(task.events.order_by("-id")[:200]),
        "now": timezone.now(),
    }


def task_fragments(task_id: int, kind: str) -> Fragments:
    context = {**task_context(task_id, kind), "oob": True}
    return {"task-live": render_to_string("core/tasks/_live.html", context)}


def list_fragments(user: Any, job_ids: Collection[int]) -> Fragments:
    """The rows of those jobs that are on the screen and that the user may see."""
    jobs = DicomJob.objects.visible_to(user).filter(pk__in=job_ids).select_related("owner")
    return {
        f"job-{job.pk}": render_to_string(
            "core/jobs/_job_row.html", {"job": job, "user": user, "oob": True}
        ).strip()
        for job in with_progress(list(jobs))
    }


def home_context(user: Any) -> dict[str, Any]:
    """The user's own running jobs and those that ended last."""
    own = DicomJob.objects.filter(owner=user)
    open_jobs = own.exclude(state__in=_ENDED)
    open_count = open_jobs.count()
    jobs = with_progress([*open_jobs[:RECENT_SHOWN], *own.filter(state__in=_ENDED)[:RECENT_SHOWN]])
    return {
        "running": [job for job in jobs if not job.is_ended],
        "running_more": max(0, open_count - RECENT_SHOWN),
        "recent": [job for job in jobs if job.is_ended],
        "unverified": (
            DicomJob.objects.filter(state=DicomJob.State.UNVERIFIED).count() if user.is_staff else 0
        ),
    }


def home_fragments(user: Any) -> Fragments:
    context = {**home_context(user), "user": user, "oob": True}
    return {"home-jobs": render_to_string("core/_home_jobs.html", context)}

"""The page of a job."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from adit.core.jobs.registry import JobKind, all_kinds, get_kind
from adit.core.models import DicomJob, DicomTask, TransferJob
from adit.core.pages.action_answers import says_what_is_gone
from adit.core.pages.action_buttons import bulk_buttons
from adit.core.pages.errors import NotThere
from adit.core.pages.fragments import as_response, read_job, with_progress
from adit.core.pages.identifiers import id_list
from adit.core.pages.source_view import as_seen, sees_sources
from adit.core.pages.task_table import TaskChoices, add_notes, find_tasks, tasks_by_id


def visible_job(user: Any, job_id: int) -> DicomJob:
    """The job, if the user may see it.

    Raises:
        NotThere: there is no such job, or it is somebody else's.
    """
    jobs = DicomJob.objects.visible_to(user).select_related(
        "owner", "group", "archive", *_details()
    )
    job = jobs.filter(pk=job_id).first()
    if job is None:
        raise NotThere("job")
    return job


def _link_of(kind: JobKind) -> str:
    """The name by which a job leads to the columns of its app."""
    link: Any = kind.job_model._meta.get_ancestor_link(DicomJob)
    return link.remote_field.get_accessor_name() if link else ""


def _details() -> list[str]:
    """The columns of all apps, and the profiles, so that they come with the job in one query."""
    names = []
    for kind in all_kinds():
        if link := _link_of(kind):
            profile = issubclass(kind.job_model, TransferJob)
            names.append(f"{link}__profile" if profile else link)
    return names


def details_of(job: DicomJob) -> DicomJob:
    """The job as an object of its own kind."""
    link = _link_of(get_kind(job.kind))
    return getattr(job, link) if link else job


@login_required
@require_http_methods(["GET", "POST"])
@says_what_is_gone
def job_detail(request: HttpRequest, job_id: int) -> HttpResponse:
    """Everything about a job. A POST filters and searches the table of its tasks."""
    job = visible_job(request.user, job_id)
    choices = TaskChoices.from_request(request, job_id)
    if request.headers.get("HX-Target") == "tasks":
        return tasks_response(request, job, choices)
    with_progress([job])
    table = table_context(request.user, job, choices)
    reading = read_job(job, table["page"])
    show_page(request.user, job, table["page"])
    context = {
        **reading.context(request.user),
        **table,
        "details": details_of(job),
    }
    return render(request, "core/jobs/detail.html", context)


def table_context(user: Any, job: Any, choices: TaskChoices) -> dict[str, Any]:
    """What the table of tasks shows, but for their notes; the job knows its progress."""
    page = find_tasks(user, job, choices, job.progress.counts)
    return {
        "job": job,
        "page": page,
        "choices": choices,
        "task_states": DicomTask.State.choices,
        "task_ids": ",".join(str(task.pk) for task in page),
        "bulk_actions": bulk_buttons(user, job),
    }


def show_page(user: Any, job: DicomJob, page: Any) -> None:
    """Leave of the tasks, which have their notes, what the user may see."""
    sees = sees_sources(user, job)
    page.object_list = [as_seen(task, sees) for task in page.object_list]


def tasks_response(request: HttpRequest, job: DicomJob, choices: TaskChoices) -> HttpResponse:
    """The table of tasks alone; the address of the page follows what is chosen, so that a reload
    or the way back from a task shows the same."""
    with_progress([job])
    context = table_context(request.user, job, choices)
    add_notes(job, context["page"])
    show_page(request.user, job, context["page"])
    response = render(request, "core/jobs/_tasks.html", context)
    address = reverse("core:job_detail", args=[job.pk])
    response["HX-Replace-Url"] = f"{address}?{choices.query}" if choices.query else address
    return response


@login_required
@require_GET
def job_live(request: HttpRequest, job_id: int) -> HttpResponse:
    """What the WebSocket would send, for pages without one."""
    rows = id_list(request.GET.get("tasks", ""))
    job = visible_job(request.user, job_id)
    reading = read_job(job, tasks_by_id(job, rows))
    return as_response(reading.fragments(request.user, rows))

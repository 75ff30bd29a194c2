"""The page of a job."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from adit.core.jobs.registry import concrete_job
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.action_buttons import bulk_buttons
from adit.core.pages.fragments import as_response, read_job
from adit.core.pages.identifiers import id_list
from adit.core.pages.progress import progress_of
from adit.core.pages.task_table import TaskChoices, find_tasks


def visible_job(user: Any, job_id: int) -> DicomJob:
    """The job, if the user may see it.

    Raises:
        Http404: there is no such job, or it is somebody else's.
    """
    jobs = DicomJob.objects.visible_to(user).select_related("owner", "group")
    return get_object_or_404(jobs, pk=job_id)


@login_required
@require_http_methods(["GET", "POST"])
def job_detail(request: HttpRequest, job_id: int) -> HttpResponse:
    """Everything about a job. A POST filters and searches the table of its tasks."""
    job = visible_job(request.user, job_id)
    choices = TaskChoices.from_request(request, job_id)
    if request.headers.get("HX-Target") == "tasks":
        return tasks_response(request, job, choices)
    reading = read_job(job)
    context = {
        **reading.context(request.user),
        **table_context(request.user, job, choices, reading.progress.counts),
        "details": concrete_job(job),
    }
    return render(request, "core/jobs/detail.html", context)


def table_context(
    user: Any, job: DicomJob, choices: TaskChoices, counts: dict[str, int]
) -> dict[str, Any]:
    """What the table of tasks shows."""
    page = find_tasks(job, choices, counts)
    return {
        "job": job,
        "page": page,
        "choices": choices,
        "task_states": DicomTask.State.choices,
        "task_ids": ",".join(str(task.pk) for task in page),
        "bulk_actions": bulk_buttons(user, job),
    }


def tasks_response(request: HttpRequest, job: DicomJob, choices: TaskChoices) -> HttpResponse:
    """The table of tasks alone; the address of the page follows what is chosen, so that a reload
    or the way back from a task shows the same."""
    counts = progress_of([job.pk])[job.pk].counts
    context = table_context(request.user, job, choices, counts)
    response = render(request, "core/jobs/_tasks.html", context)
    address = reverse("core:job_detail", args=[job.pk])
    response["HX-Replace-Url"] = f"{address}?{choices.query}" if choices.query else address
    return response


@login_required
@require_GET
def job_live(request: HttpRequest, job_id: int) -> HttpResponse:
    """What the WebSocket would send, for pages without one."""
    rows = id_list(request.GET.get("tasks", ""))
    reading = read_job(visible_job(request.user, job_id), rows)
    return as_response(reading.fragments(request.user, rows))

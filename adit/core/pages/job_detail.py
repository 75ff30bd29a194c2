"""The page of a job, and the actions on it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from adit.core.jobs.actions import JOB_ACTIONS, Conflict, NoSuchJob
from adit.core.jobs.registry import concrete_job
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.errors import conflict
from adit.core.pages.fragments import as_response, job_context, job_fragments
from adit.core.pages.identifiers import id_list
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
    choices = TaskChoices.from_request(request)
    page = find_tasks(job, choices)
    context = {
        "job": job,
        "page": page,
        "choices": choices,
        "task_states": DicomTask.State.choices,
        "task_ids": ",".join(str(task.pk) for task in page),
    }
    if request.headers.get("HX-Target") == "tasks":
        return render(request, "core/jobs/_tasks.html", context)
    context |= job_context(request.user, job)
    context["details"] = concrete_job(job)
    return render(request, "core/jobs/detail.html", context)


@login_required
@require_GET
def job_live(request: HttpRequest, job_id: int) -> HttpResponse:
    """What the WebSocket would send, for pages without one."""
    job = visible_job(request.user, job_id)
    return as_response(job_fragments(request.user, job, id_list(request.GET.get("tasks", ""))))


@login_required
@require_POST
def job_action(request: HttpRequest, job_id: int, name: str) -> HttpResponse:
    """Do one of `JOB_ACTIONS`; 409 where the job's state does not allow it."""
    action = JOB_ACTIONS.get(name)
    if action is None:
        raise Http404
    url = reverse("core:job_detail", args=[job_id])
    is_htmx = bool(request.headers.get("HX-Request"))
    try:
        outcome = action(request.user, job_id)  # type: ignore[arg-type]
    except NoSuchJob as err:
        raise Http404 from err
    except Conflict as err:
        if is_htmx:
            return _with_toast(HttpResponse(status=409), str(err), "error")
        return conflict(request, str(err), url)
    except PermissionDenied as err:
        if is_htmx:
            return _with_toast(HttpResponse(status=403), str(err), "error")
        raise
    job = DicomJob.objects.filter(pk=job_id).first()
    if job is None:
        messages.success(request, outcome)
        target = reverse("core:job_list")
        return HttpResponse(headers={"HX-Redirect": target}) if is_htmx else redirect(target)
    if is_htmx:
        return _with_toast(as_response(job_fragments(request.user, job)), outcome, "success")
    messages.success(request, outcome)
    return redirect(url)


def _with_toast(response: HttpResponse, text: str, level: str) -> HttpResponse:
    response["HX-Trigger"] = json.dumps({"adit:toast": {"text": text, "level": level}})
    return response

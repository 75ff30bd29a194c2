"""The page of a task, and the actions on it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from adit.core.jobs.actions import TASK_ACTIONS
from adit.core.models import DicomTask
from adit.core.pages.action_answers import answer_action, says_what_is_gone
from adit.core.pages.errors import NotThere
from adit.core.pages.fragments import TaskReading, as_response, read_task
from adit.core.pages.source_view import as_seen, sees_sources


def visible_task(user: Any, task_id: int) -> DicomTask:
    """The task, if the user may see its job.

    Raises:
        NotThere: there is no such task, or it is somebody else's.
    """
    tasks = DicomTask.objects.select_related("job", "job__owner")
    if not user.is_staff:
        tasks = tasks.filter(job__owner=user)
    task = tasks.filter(pk=task_id).first()
    if task is None:
        raise NotThere("task")
    return task


def _visible_reading(user: Any, task_id: int) -> TaskReading:
    reading = read_task(task_id, visible_task(user, task_id).job.kind)
    if reading is None:
        raise NotThere("task")
    return reading


@login_required
@require_GET
def task_detail(request: HttpRequest, task_id: int) -> HttpResponse:
    """Criteria, nodes, ledger and events of a task; its raw log for staff."""
    reading = _visible_reading(request.user, task_id)
    context = reading.context(request.user)
    if request.user.is_staff:  # type: ignore[union-attr]
        task = reading.task
        task.refresh_from_db(fields=["log"])
        context["log"] = as_seen(task, sees_sources(request.user, task.job)).log
    return render(request, "core/tasks/detail.html", context)


@login_required
@require_GET
def task_live(request: HttpRequest, task_id: int) -> HttpResponse:
    """What the WebSocket would send, for pages without one."""
    return as_response(_visible_reading(request.user, task_id).fragments(request.user))


@login_required
@require_POST
@says_what_is_gone
def task_action(request: HttpRequest, task_id: int, name: str) -> HttpResponse:
    """Do one of `TASK_ACTIONS`; 409 where the state of the task, or its job's, forbids it."""
    action = TASK_ACTIONS.get(name)
    if action is None:
        raise Http404
    user: Any = request.user
    task = visible_task(user, task_id)

    def parts() -> HttpResponse | None:
        reading = read_task(task_id, task.job.kind)
        return as_response(reading.fragments(user)) if reading else None

    return answer_action(
        request,
        lambda: action(user, task_id),
        back=reverse("core:task_detail", args=[task_id]),
        parts=parts,
        gone=reverse("core:job_detail", args=[task.job_id]),
    )

"""The page of a task."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from adit.core.models import DicomTask
from adit.core.pages.fragments import as_response, task_context, task_fragments


def visible_task(user: Any, task_id: int) -> DicomTask:
    """The task, if the user may see its job.

    Raises:
        Http404: there is no such task, or it is somebody else's.
    """
    tasks = DicomTask.objects.select_related("job", "job__owner")
    if not user.is_staff:
        tasks = tasks.filter(job__owner=user)
    return get_object_or_404(tasks, pk=task_id)


@login_required
@require_GET
def task_detail(request: HttpRequest, task_id: int) -> HttpResponse:
    """Criteria, nodes, ledger and events of a task; its raw log for staff."""
    task = visible_task(request.user, task_id)
    context = task_context(task_id, task.job.kind)
    context["job"] = task.job
    context["log"] = task.log if request.user.is_staff else ""  # type: ignore[union-attr]
    return render(request, "core/tasks/detail.html", context)


@login_required
@require_GET
def task_live(request: HttpRequest, task_id: int) -> HttpResponse:
    """What the WebSocket would send, for pages without one."""
    task = visible_task(request.user, task_id)
    return as_response(task_fragments(task_id, task.job.kind))

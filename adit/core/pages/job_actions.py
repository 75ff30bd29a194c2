"""The actions on a job, and on selected tasks of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from adit.core.jobs.actions import (
    JOB_ACTIONS,
    TASK_ACTIONS,
    BulkOutcome,
    Conflict,
    act_on_tasks,
)
from adit.core.models import DicomJob
from adit.core.pages.action_answers import (
    answer_action,
    refusals_in_words,
    says_what_is_gone,
)
from adit.core.pages.action_buttons import RETRY, RETRY_WARNED
from adit.core.pages.fragments import as_response, read_job
from adit.core.pages.identifiers import id_list
from adit.core.pages.job_detail import tasks_response, visible_job
from adit.core.pages.task_table import TaskChoices, chosen_tasks, tasks_by_id
from adit.core.words import counted


@login_required
@require_POST
@says_what_is_gone
def job_action(request: HttpRequest, job_id: int, name: str) -> HttpResponse:
    """Do one of `JOB_ACTIONS`; 409 where the job's state does not allow it. A retry with `warned`
    takes the warned tasks too."""
    if name == RETRY and request.POST.get("warned"):
        name = RETRY_WARNED
    action = JOB_ACTIONS.get(name)
    if action is None:
        raise Http404
    user: Any = request.user

    def parts() -> HttpResponse | None:
        jobs = DicomJob.objects.visible_to(user).select_related("owner", "archive")
        job = jobs.filter(pk=job_id).first()
        if job is None:
            return None
        rows = id_list(request.POST.get("tasks", ""))
        return as_response(read_job(job, tasks_by_id(job, rows)).fragments(user, rows))

    return answer_action(
        request,
        lambda: action(user, job_id),
        back=reverse("core:job_detail", args=[job_id]),
        parts=parts,
        gone=reverse("core:job_list"),
    )


@login_required
@require_POST
@says_what_is_gone
def bulk_action(request: HttpRequest, job_id: int, name: str) -> HttpResponse:
    """Do one of `TASK_ACTIONS` on the chosen tasks of a job: those ticked (`task`, several), or
    with `every=1` all that fit the filter and the search of the table.

    Some may be refused; 409 where all are.
    """
    if name not in TASK_ACTIONS:
        raise Http404
    job = visible_job(request.user, job_id)
    choices = TaskChoices.from_request(request, job_id)

    def parts() -> HttpResponse | None:
        if not DicomJob.objects.filter(pk=job_id).exists():
            return None
        return tasks_response(request, job, choices)

    return answer_action(
        request,
        lambda: bulk_in_words(name, act_on_chosen(request.user, job, name, request.POST, choices)),
        back=reverse("core:job_detail", args=[job_id]),
        parts=parts,
        gone=reverse("core:job_list"),
    )


def act_on_chosen(
    user: Any, job: DicomJob, name: str, data: Any, choices: TaskChoices
) -> BulkOutcome:
    """Act on the tasks that a form chose.

    Raises:
        Conflict: none is chosen.
        PermissionDenied: the user may not do this on tasks of this job.
    """
    if data.get("every") == "1":
        ids: Iterable[int] = chosen_tasks(user, job, choices).values_list("pk", flat=True)
    else:
        # Of other jobs nothing is touched, whatever the form says.
        wanted = {pk for text in data.getlist("task") for pk in id_list(text)}
        ids = job.tasks.filter(pk__in=wanted).order_by("line", "id").values_list("pk", flat=True)
    ids = list(ids)
    if not ids:
        raise Conflict("No task is chosen, or those that were are gone.")
    return act_on_tasks(user, name, ids)


def bulk_in_words(name: str, outcome: BulkOutcome) -> str:
    """What was done, and why the rest was not.

    Raises:
        Conflict: nothing was done.
    """
    action = TASK_ACTIONS[name]
    refused = len(outcome.refused)
    because = refusals_in_words(outcome.refused)
    if not outcome.done:
        raise Conflict(f"Cannot {action.verb} {counted(refused, 'task')}{because}")
    done = len(outcome.done)
    past = action.past.partition(";")[0]
    text = f"{counted(done, 'task')} {'is' if done == 1 else 'are'} {past}."
    if refused:
        text += f" {counted(refused, 'task')} {'is' if refused == 1 else 'are'} not{because}"
    return " ".join([text, *outcome.notes])

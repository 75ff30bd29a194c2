"""Jobs, their tasks, and the actions on both. Everything calls what the pages call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from adit.api.paging import InOrder, NewestFirst
from adit.api.problems import CONTENT_TYPE
from adit.api.serializers import (
    BulkSerializer,
    ChoiceSerializer,
    JobDetailSerializer,
    JobPageSerializer,
    JobSerializer,
    OutcomeSerializer,
    ProblemSerializer,
    TaskPageSerializer,
    TaskSerializer,
)
from adit.core.jobs.actions import (
    JOB_ACTIONS,
    TASK_ACTIONS,
    Conflict,
    act_on_tasks,
    fitting_actions,
)
from adit.core.jobs.registry import all_kinds
from adit.core.jobs.waiting import reasons_for_tasks, reasons_for_waiting
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.fragments import with_progress
from adit.core.pages.task_table import tasks_of_kind


def _problems(*codes: int) -> dict[Any, Any]:
    return {(code, CONTENT_TYPE): ProblemSerializer for code in codes}


_LIMIT = OpenApiParameter("limit", OpenApiTypes.INT, description="Entries on a page, up to 500.")
_CURSOR = OpenApiParameter("cursor", description="As `next` and `previous` give it.")
_LINE = OpenApiParameter(
    "line", OpenApiTypes.INT, location="path", description="The task's place in its job, from 1."
)
_ACTION = OpenApiParameter("name", location="path", enum=list(TASK_ACTIONS))
_TASK_STATE = OpenApiParameter("state", enum=DicomTask.State.values, description="Of the tasks.")


def _job(user: Any, job_id: int) -> DicomJob:
    jobs = DicomJob.objects.visible_to(user).select_related("owner")
    return get_object_or_404(jobs, pk=job_id)


def _tasks(job: DicomJob) -> QuerySet[Any]:
    return tasks_of_kind(job.kind).filter(job_id=job.pk)


def _with_waiting(job: DicomJob, tasks: list[Any]) -> list[Any]:
    for task in tasks:
        task.job = job
    reasons = reasons_for_tasks(tasks)
    fitting = fitting_actions(job, tasks)
    for task in tasks:
        task.waiting = reasons.get(task.pk, "")
        task.fitting = fitting[task.pk]
    return tasks


def _choice(request: Request, name: str, allowed: Sequence[str]) -> str:
    value = request.query_params.get(name, "")
    if value and value not in allowed:
        raise ValidationError({name: f"Not one of {', '.join(allowed)}."})
    return value


def _knows_only(request: Request, *names: str) -> None:
    """A parameter that is misspelt must not count as none.

    Raises:
        ValidationError: the request has another one.
    """
    unknown = sorted(set(request.query_params) - {*names, "limit", "cursor"})
    if unknown:
        known = ", ".join([*names, "limit", "cursor"])
        raise ValidationError({name: f"No such parameter; there are {known}." for name in unknown})


class Jobs(APIView):
    """The jobs of the user; staff gets all."""

    @extend_schema(
        operation_id="list_jobs",
        summary="List jobs, newest first",
        parameters=[
            OpenApiParameter("kind", description="Only jobs of this kind."),
            OpenApiParameter("state", enum=DicomJob.State.values, description="Of the jobs."),
            OpenApiParameter("own", OpenApiTypes.BOOL, description="For staff: only own jobs."),
            _LIMIT,
            _CURSOR,
        ],
        responses={200: JobPageSerializer, **_problems(400, 401)},
    )
    def get(self, request: Request) -> Response:
        _knows_only(request, "kind", "state", "own")
        user: Any = request.user
        jobs = DicomJob.objects.visible_to(user).select_related("owner")
        if _choice(request, "own", ["true", "false", "1", "0"]) in ("true", "1"):
            jobs = jobs.filter(owner=user)
        if kind := _choice(request, "kind", [kind.key for kind in all_kinds()]):
            jobs = jobs.filter(kind=kind)
        if state := _choice(request, "state", DicomJob.State.values):
            jobs = jobs.filter(state=state)
        paginator = NewestFirst()
        page: Any = paginator.paginate_queryset(jobs, request, view=self)
        return paginator.get_paginated_response(JobSerializer(with_progress(page), many=True).data)


class Job(APIView):
    """One job."""

    @extend_schema(
        operation_id="get_job",
        summary="Get a job",
        responses={200: JobDetailSerializer, **_problems(401, 404)},
    )
    def get(self, request: Request, job_id: int) -> Response:
        (job,) = with_progress([_job(request.user, job_id)])
        job.waiting = reasons_for_waiting(job)
        return Response(JobDetailSerializer(job, context={"request": request}).data)


class Tasks(APIView):
    """The tasks of a job."""

    @extend_schema(
        operation_id="list_tasks",
        summary="List the tasks of a job, in their order",
        parameters=[_TASK_STATE, _LIMIT, _CURSOR],
        responses={200: TaskPageSerializer, **_problems(400, 401, 404)},
    )
    def get(self, request: Request, job_id: int) -> Response:
        _knows_only(request, "state")
        job = _job(request.user, job_id)
        tasks = _tasks(job)
        if state := _choice(request, "state", DicomTask.State.values):
            tasks = tasks.filter(state=state)
        paginator = InOrder()
        found: Any = paginator.paginate_queryset(tasks, request, view=self)
        page = _with_waiting(job, found)
        serializer = TaskSerializer(page, many=True, context={"request": request})
        return paginator.get_paginated_response(serializer.data)


class Task(APIView):
    """One task, named as the pages name it: by its line in its job."""

    @extend_schema(
        operation_id="get_task",
        summary="Get a task of a job",
        parameters=[_LINE],
        responses={200: TaskSerializer, **_problems(401, 404)},
    )
    def get(self, request: Request, job_id: int, line: int) -> Response:
        job = _job(request.user, job_id)
        found = get_object_or_404(_tasks(job), line=line)
        (task,) = _with_waiting(job, [found])
        return Response(TaskSerializer(task, context={"request": request}).data)


class JobAction(APIView):
    """Do something to a job."""

    @extend_schema(
        operation_id="act_on_job",
        summary="Do an action on a job",
        description="409 where the state of the job does not allow it; `detail` says the state.",
        parameters=[OpenApiParameter("name", location="path", enum=list(JOB_ACTIONS))],
        request=None,
        responses={200: OutcomeSerializer, **_problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, job_id: int, name: str) -> Response:
        if name not in JOB_ACTIONS:
            raise Http404
        outcome = JOB_ACTIONS[name](request.user, job_id)  # type: ignore[arg-type]
        state = DicomJob.objects.filter(pk=job_id).values_list("state", flat=True).first()
        return Response({"outcome": outcome, "state": state})


def _act_on_task(request: Request, task_id: int, name: str) -> Response:
    if name not in TASK_ACTIONS:
        raise Http404
    outcome = TASK_ACTIONS[name](request.user, task_id)  # type: ignore[arg-type]
    state = DicomTask.objects.filter(pk=task_id).values_list("state", flat=True).first()
    return Response({"outcome": outcome, "state": state})


class LineAction(APIView):
    """Do something to a task, named by its line in its job."""

    @extend_schema(
        operation_id="act_on_line",
        summary="Do an action on a task of a job",
        description="409 where the state of the task, or its job's, does not allow it.",
        parameters=[_LINE, _ACTION],
        request=None,
        responses={200: OutcomeSerializer, **_problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, job_id: int, line: int, name: str) -> Response:
        job = _job(request.user, job_id)
        task = get_object_or_404(DicomTask.objects.only("pk"), job_id=job.pk, line=line)
        return _act_on_task(request, task.pk, name)


class TaskAction(APIView):
    """Do something to a task."""

    @extend_schema(
        operation_id="act_on_task",
        summary="Do an action on a task, by its id",
        description="409 where the state of the task, or its job's, does not allow it.",
        parameters=[_ACTION],
        request=None,
        responses={200: OutcomeSerializer, **_problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, task_id: int, name: str) -> Response:
        return _act_on_task(request, task_id, name)


class BulkAction(APIView):
    """Do something to many tasks of a job."""

    @extend_schema(
        operation_id="act_on_tasks",
        summary="Do an action on many tasks of a job",
        description="Tasks whose state does not allow it are refused, each with the reason; 409"
        " where none is left.",
        parameters=[_ACTION],
        request=ChoiceSerializer,
        responses={200: BulkSerializer, **_problems(400, 401, 403, 404, 409)},
    )
    def post(self, request: Request, job_id: int, name: str) -> Response:
        if name not in TASK_ACTIONS:
            raise Http404
        job = _job(request.user, job_id)
        choice = ChoiceSerializer(data=request.data)
        choice.is_valid(raise_exception=True)
        chosen: Any = choice.validated_data
        lines = dict(DicomTask.objects.filter(job_id=job.pk).values_list("pk", "line"))
        ids, unknown = _chosen(job, chosen, lines)
        outcome = act_on_tasks(request.user, name, ids)  # type: ignore[arg-type]
        refused = [
            {"task": pk, "line": lines[pk], "reason": reason} for pk, reason in outcome.refused
        ]
        refused += unknown
        if not outcome.done:
            raise Conflict(_nothing(TASK_ACTIONS[name].verb, [one["reason"] for one in refused]))
        return Response(
            {
                "done": outcome.done,
                "done_lines": [lines[pk] for pk in outcome.done],
                "refused": refused,
            }
        )


def _chosen(
    job: DicomJob, chosen: dict[str, Any], lines: dict[int, int]
) -> tuple[list[int], list[dict[str, Any]]]:
    """The ids of the tasks that are meant, and a refusal for each that the job does not have."""
    if state := chosen.get("state"):
        found = DicomTask.objects.filter(job_id=job.pk, state=state).order_by("line", "id")
        return list(found.values_list("pk", flat=True)), []
    if "lines" in chosen:
        by_line = {line: pk for pk, line in lines.items()}
        wanted = list(dict.fromkeys(chosen["lines"]))
        unknown = [
            {"task": None, "line": line, "reason": f"There is no task {line} of job {job.pk}."}
            for line in wanted
            if line not in by_line
        ]
        return [by_line[line] for line in wanted if line in by_line], unknown
    wanted = list(dict.fromkeys(chosen["tasks"]))
    unknown = [
        {"task": pk, "line": None, "reason": f"There is no task with the id {pk} in this job."}
        for pk in wanted
        if pk not in lines
    ]
    return [pk for pk in wanted if pk in lines], unknown


def _nothing(verb: str, reasons: list[str]) -> str:
    if not reasons:
        return f"There is no task to {verb}."
    more = f" And {len(reasons) - 3} more." if len(reasons) > 3 else ""
    return " ".join(reasons[:3]) + more

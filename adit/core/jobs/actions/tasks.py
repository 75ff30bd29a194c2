"""Delete, reset and kill single tasks."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import QuerySet
from django.db.models.functions import Now

from adit.core.jobs.actions.base import is_owner_or_staff, is_staff
from adit.core.jobs.actions.rerun import forget_work, reopen, wait_again, why_closed
from adit.core.jobs.actions.task_base import TaskAction, job_in_words
from adit.core.jobs.notify import notify_revoked
from adit.core.jobs.queue import withdraw
from adit.core.jobs.registry import get_kind
from adit.core.models import DicomJob, DicomTask, TaskEvent
from adit.core.transfer.ledger_store import mark_canceled_series, mark_unfinished_series

State = DicomTask.State

_LAST = "it is the last task of its job; delete or cancel the job instead"


def _locked(tasks: QuerySet[DicomTask]) -> set[int]:
    """Lock the tasks of the locked job, always in the same order; returns their ids."""
    rows = tasks.select_for_update(no_key=True).order_by("pk")
    return set(rows.values_list("pk", flat=True))


def _delete(job: DicomJob, task_ids: Collection[int]) -> set[int]:
    tasks = DicomTask.objects.filter(job=job, pk__in=task_ids, state=State.PENDING)
    ids = _locked(tasks)
    withdraw(tasks)
    get_kind(job.kind).task_model.objects.filter(pk__in=ids).delete()  # type: ignore[attr-defined]
    return ids


def _to_keep(job: DicomJob, task_ids: Collection[int]) -> dict[int, str]:
    """A job never ends up without tasks: the last one stays."""
    others = DicomTask.objects.filter(job=job).exclude(pk__in=task_ids)
    return {} if others.exists() else {max(task_ids): _LAST}


def _to_keep_alone(job: DicomJob, task_ids: Collection[int]) -> dict[int, str]:
    # Of two none is the last.
    return _to_keep(job, task_ids) if len(task_ids) == 1 else {}


def _reset(job: DicomJob, task_ids: Collection[int]) -> set[int]:
    tasks = DicomTask.objects.filter(job=job, pk__in=task_ids)
    ids = set(tasks.filter(state__in=DicomTask.ENDED).values_list("pk", flat=True))
    forget_work(tasks)
    wait_again(tasks)
    reopen(job)
    return ids


def _kill(job: DicomJob, task_ids: Collection[int]) -> set[int]:
    """Take the lease away. Its worker learns of it by notification, or by its next heartbeat, and
    ends the child; whatever the child still writes is refused."""
    tasks = DicomTask.objects.filter(job=job, pk__in=task_ids, state=State.IN_PROGRESS)
    ids = _locked(tasks)
    canceling = job.state == DicomJob.State.CANCELING
    tasks.update(
        state=State.CANCELED if canceling else State.FAILURE,
        message="Killed by staff.",
        end=Now(),
        lease=None,
        lease_until=None,
        queued=None,
        queue_job_id=None,
        worker="",
        phase="",
        instances_per_second=0,
    )
    (mark_canceled_series if canceling else mark_unfinished_series)(ids)
    for task_id in ids:
        notify_revoked(task_id)
    return ids


def _why_no_reset(job: DicomJob) -> str:
    if job.state == DicomJob.State.CANCELING:
        return job_in_words(job)
    return f"its job cannot go on: {why}" if (why := why_closed(job)) else ""


delete_task = TaskAction(
    name="delete",
    label="Delete task",
    icon="trash",
    confirm="The task is deleted for good. What it delivered before stays delivered.",
    danger=True,
    verb="delete",
    past="deleted",
    states=frozenset({State.PENDING}),
    allowed=is_owner_or_staff,
    effect=_delete,
    spared=_to_keep,
    spared_alone=_to_keep_alone,
    gone=True,
)

reset_task = TaskAction(
    name="reset",
    label="Reset task",
    icon="arrow-counterclockwise",
    confirm=(
        "The task starts from the beginning; its receipt is made anew. What staff discarded "
        "stays behind."
    ),
    verb="reset",
    past="reset; it starts from the beginning",
    states=frozenset(DicomTask.ENDED),
    allowed=is_owner_or_staff,
    effect=_reset,
    job_fits=_why_no_reset,
    runs_again=True,
)

kill_task = TaskAction(
    name="kill",
    label="Kill task",
    icon="x-octagon",
    confirm="The process that works on the task is ended; the task fails.",
    danger=True,
    verb="kill",
    past="killed",
    states=frozenset({State.IN_PROGRESS}),
    allowed=is_staff,
    effect=_kill,
    level=TaskEvent.Level.ERROR,
)

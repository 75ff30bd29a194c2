"""The kinds of jobs. Each app registers its own when Django starts; core names none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from adit.core.models import DicomJob, DicomTask, TaskResult

if TYPE_CHECKING:
    from adit.core.jobs.run import TaskRun


class Processor(Protocol):
    """Does the work of one task inside the child process.

    Raises:
        TransientDicomError: another attempt may help.
        PermanentDicomError: no other attempt will help.
        Canceled: the run was told to stop.
    """

    def __call__(self, task: DicomTask, run: TaskRun) -> TaskResult: ...


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """A kind of job: its models, its work, its place in the menu and in the queue.

    The larger the priority, the sooner; urgent jobs use `urgent_priority`.
    """

    key: str
    label: str
    job_model: type[DicomJob]
    task_model: type[DicomTask]
    processor: Callable[[], Processor]
    priority: int
    urgent_priority: int
    add_permission: str
    url_name: str
    icon: str


_kinds: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    assert kind.key not in _kinds or _kinds[kind.key] == kind, f"{kind.key} is registered twice"
    _kinds[kind.key] = kind


def get_kind(key: str) -> JobKind:
    """The kind registered under `key`.

    Raises:
        KeyError: no app has registered it.
    """
    return _kinds[key]


def all_kinds() -> list[JobKind]:
    return list(_kinds.values())


def concrete_job(job: DicomJob) -> DicomJob:
    """The job as an object of its own kind, with the columns of its app."""
    return get_kind(job.kind).job_model.objects.get(pk=job.pk)


def concrete_task(task: DicomTask, kind: str) -> DicomTask:
    """The task as an object of its own kind, with the columns of its app."""
    return get_kind(kind).task_model.objects.get(pk=task.pk)  # type: ignore[attr-defined]

"""The things that live pages watch: a job, a task, the home page, a list of jobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from adit.accounts.models import User
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.feeds import Fragments
from adit.core.pages.fragments import (
    JobReading,
    TaskReading,
    home_fragments,
    list_fragments,
    read_job,
    read_task,
)
from adit.core.pages.job_search import JobChoices
from adit.core.pages.task_table import tasks_by_id


def sees(user: User, owner_id: int) -> bool:
    """A user sees the jobs of his own, staff sees all; for a job that is read already."""
    return user.is_staff or user.pk == owner_id


@dataclass(frozen=True)
class JobTopic:
    """The page of a job; the rows are tasks."""

    job_id: int

    def concerns(self, job_id: int, owner_id: int | None) -> bool:
        return job_id == self.job_id

    def read(self, rows: Collection[int]) -> JobReading | None:
        job = DicomJob.objects.select_related("owner", "archive").filter(pk=self.job_id).first()
        return read_job(job, tasks_by_id(job, rows) if rows else ()) if job else None

    def is_open(self, reading: JobReading) -> bool:
        return not reading.job.is_ended

    def render(self, reading: JobReading, user: User, rows: Collection[int]) -> Fragments | None:
        return reading.fragments(user, rows) if sees(user, reading.job.owner_id) else None


@dataclass(frozen=True)
class TaskTopic:
    """The page of a task."""

    job_id: int
    task_id: int

    def concerns(self, job_id: int, owner_id: int | None) -> bool:
        return job_id == self.job_id

    def read(self, rows: Collection[int]) -> TaskReading | None:
        tasks = DicomTask.objects.filter(pk=self.task_id, job_id=self.job_id)
        kind = tasks.values_list("job__kind", flat=True).first()
        return read_task(self.task_id, kind) if kind else None

    def is_open(self, reading: TaskReading) -> bool:
        return not reading.task.is_ended

    def render(self, reading: TaskReading, user: User, rows: Collection[int]) -> Fragments | None:
        return reading.fragments(user) if sees(user, reading.task.job.owner_id) else None


@dataclass(frozen=True)
class HomeTopic:
    """The home page of one user."""

    user_id: int
    is_staff: bool

    def concerns(self, job_id: int, owner_id: int | None) -> bool:
        return self.is_staff or owner_id in (None, self.user_id)

    def read(self, rows: Collection[int]) -> Any:
        return self

    def is_open(self, reading: Any) -> bool:
        return False

    def render(self, reading: Any, user: User, rows: Collection[int]) -> Fragments | None:
        return home_fragments(user) if user.pk == self.user_id else None


@dataclass(frozen=True)
class ListTopic:
    """A page of the list of jobs as one user has filtered it."""

    user_id: int
    choices: JobChoices

    def concerns(self, job_id: int, owner_id: int | None) -> bool:
        return not self.choices.own or owner_id in (None, self.user_id)

    def read(self, rows: Collection[int]) -> Any:
        return self

    def is_open(self, reading: Any) -> bool:
        return False

    def render(self, reading: Any, user: User, rows: Collection[int]) -> Fragments | None:
        return list_fragments(user, self.choices) if user.pk == self.user_id else None

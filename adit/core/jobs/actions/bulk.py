"""One action on many selected tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from adit.core.jobs.actions.task_base import BulkOutcome, TaskAction, act_on_selected
from adit.core.jobs.actions.tasks import delete_task, kill_task, reset_task
from adit.core.models import DicomJob, DicomTask

if TYPE_CHECKING:
    from adit.accounts.models import User

TASK_ACTIONS: dict[str, TaskAction] = {
    action.name: action for action in (reset_task, kill_task, delete_task)
}


def fitting_actions(job: DicomJob, tasks: Iterable[DicomTask]) -> dict[int, list[str]]:
    """Which of `TASK_ACTIONS` could be done now on each of the tasks of the job, by its id."""
    tasks = list(tasks)
    fitting = {task.pk: [] for task in tasks}
    for name, action in TASK_ACTIONS.items():
        for pk in action.fitting(job, tasks):
            fitting[pk].append(name)
    return fitting


def act_on_tasks(user: User, action_name: str, task_ids: Iterable[int]) -> BulkOutcome:
    """Do one of `TASK_ACTIONS` on the selected tasks.

    Raises:
        KeyError: there is no such action.
        PermissionDenied: the user sees the tasks, but may not do this to them.
    """
    return act_on_selected(TASK_ACTIONS[action_name], user, task_ids)

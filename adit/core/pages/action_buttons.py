"""The buttons of the actions on jobs and tasks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from adit.core.jobs.actions import JOB_ACTIONS, TASK_ACTIONS
from adit.core.models import DicomJob, DicomTask

# Retry asks in its dialog whether warned tasks are meant too; so this one has no button.
RETRY, RETRY_WARNED = "retry", "retry_warned"
# What a dialog says where the action itself says nothing, for it can be taken back.
_CONFIRM = {
    RETRY: "The tasks try again to deliver what is missing; what was delivered stays delivered.",
}


@dataclass(frozen=True)
class ActionButton:
    """What a template shows of an action. Templates call what can be called, so they get no
    action itself."""

    name: str
    label: str
    icon: str
    confirm: str
    danger: bool
    is_available: bool


def job_buttons(
    user: Any, job: DicomJob, fitting: Collection[str], *, only_fitting: bool = False
) -> list[ActionButton]:
    """The actions that the user may do on the job at one time or another, or only those of them
    that fit and so are available now."""
    return [
        ActionButton(
            action.name,
            action.label,
            action.icon,
            action.confirm or _CONFIRM.get(action.name, ""),
            action.danger,
            action.name in fitting,
        )
        for action in JOB_ACTIONS.values()
        if action.name != RETRY_WARNED
        and (action.name in fitting or not only_fitting)
        and action.allowed(user, job)
    ]


def task_buttons(user: Any, task: DicomTask, fitting: Collection[str]) -> list[ActionButton]:
    """The actions on one task that the user may do at one time or another."""
    return _task_buttons(user, task.job, fitting)


def bulk_buttons(user: Any, job: DicomJob) -> list[ActionButton]:
    """The actions on selected tasks of a job."""
    return _task_buttons(user, job, TASK_ACTIONS)


def _task_buttons(user: Any, job: DicomJob, fitting: Collection[str]) -> list[ActionButton]:
    return [
        ActionButton(
            action.name,
            action.label,
            action.icon,
            action.confirm,
            action.danger,
            action.name in fitting,
        )
        for action in TASK_ACTIONS.values()
        if action.allowed(user, job)
    ]

"""The buttons of the actions on a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adit.core.jobs.actions import JOB_ACTIONS
from adit.core.models import DicomJob


@dataclass(frozen=True)
class ActionButton:
    """What a template shows of an action. Templates call what can be called, so they get no
    `JobAction` itself."""

    name: str
    label: str
    icon: str
    confirm: str
    danger: bool
    is_available: bool


def action_buttons(user: Any, job: DicomJob) -> list[ActionButton]:
    """The actions that the user may do on the job at one time or another."""
    return [
        ActionButton(
            action.name,
            action.label,
            action.icon,
            action.confirm,
            action.danger,
            action.fits(job),
        )
        for action in JOB_ACTIONS.values()
        if action.allowed(user, job)
    ]

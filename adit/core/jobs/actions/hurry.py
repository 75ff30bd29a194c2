"""Who may have urgent jobs: staff, and who has the permission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adit.core.jobs.events import add_job_event
from adit.core.models import DicomJob

if TYPE_CHECKING:
    from adit.accounts.models import User

PERMISSION = "core.can_process_urgently"


def may_hurry(user: User) -> bool:
    return user.is_staff or user.has_perm(PERMISSION)


def calm_down(user: User, job: DicomJob) -> str:
    """When `user` lets tasks of a job run again: an urgent one is urgent no more where the user may
    not have urgent jobs (any more).

    Returns:
        This in words, for the user and for the history; empty where nothing is changed.
    """
    if not job.urgent or may_hurry(user):
        return ""
    DicomJob.objects.filter(pk=job.pk).update(urgent=False)
    text = f"Job {job.pk} is not urgent any more: {user.get_username()} may not have urgent jobs."
    add_job_event(job.pk, text)
    return text

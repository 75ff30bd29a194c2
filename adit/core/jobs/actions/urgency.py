"""Set urgent, unset urgent: waiting tasks change their place at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adit.core.jobs.actions.base import JobAction, is_owner_or_staff
from adit.core.jobs.actions.hurry import may_hurry
from adit.core.models import DicomJob

if TYPE_CHECKING:
    from adit.accounts.models import User


def _may_hurry(user: User, job: DicomJob) -> bool:
    return is_owner_or_staff(user, job) and may_hurry(user)


def _set(job: DicomJob, urgent: bool) -> str:
    """The dispatcher, which every action calls, weighs anew what it had handed to the queue."""
    DicomJob.objects.filter(pk=job.pk, urgent=not urgent).update(urgent=urgent)
    return f"Job {job.pk} is {'urgent' if urgent else 'not urgent any more'}."


set_urgent_job = JobAction(
    name="set_urgent",
    label="Set urgent",
    icon="lightning-charge",
    phrase="make {} urgent",
    past="Set urgent",
    allowed=_may_hurry,
    fits=lambda job: not job.is_ended and not job.urgent,
    effect=lambda job: _set(job, True),
    why_not=lambda job: "it is urgent already" if job.urgent and not job.is_ended else "",
)

unset_urgent_job = JobAction(
    name="unset_urgent",
    label="Unset urgent",
    icon="lightning",
    phrase="make {} not urgent",
    past="Set not urgent any more",
    allowed=_may_hurry,
    fits=lambda job: not job.is_ended and job.urgent,
    effect=lambda job: _set(job, False),
    why_not=lambda job: "" if job.urgent or job.is_ended else "it is not urgent",
)

"""What every action on a job has in common: permission, precondition, one transaction, a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.dispatch import Signal

from adit.core.jobs.actions.hurry import calm_down
from adit.core.jobs.deadlocks import BUSY, Deadlocked, again_after_deadlock
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.events import add_job_event
from adit.core.jobs.states import derive_job_state, lock_job
from adit.core.models import DicomJob

if TYPE_CHECKING:
    from adit.accounts.models import User

# Sent inside the transaction of each change, with `user`, `action`, `object` and `outcome`; who
# keeps an audit log listens, and a log that cannot be written undoes the change.
action_done = Signal()

# Likewise for one action on many objects, with `user`, `action` and `entries`: each an object and
# the outcome for it.
actions_done = Signal()


JOB_STATES_IN_WORDS = {
    DicomJob.State.UNVERIFIED: "it is not verified yet",
    DicomJob.State.PENDING: "it is pending",
    DicomJob.State.IN_PROGRESS: "it is in progress",
    DicomJob.State.CANCELING: "it is being canceled",
    DicomJob.State.CANCELED: "it is canceled",
    DicomJob.State.SUCCESS: "it has succeeded",
    DicomJob.State.WARNING: "it has ended with warnings",
    DicomJob.State.FAILURE: "it has failed",
}


class Conflict(Exception):
    """The action does not fit the state of the job or task; the message says so in words."""


class NoSuchJob(Exception):
    """There is no such job, or the user may not know that there is."""


def is_owner_or_staff(user: User, job: DicomJob) -> bool:
    return user.is_staff or job.owner_id == user.pk


def is_staff(user: User, job: DicomJob) -> bool:
    return user.is_staff


@dataclass(frozen=True, kw_only=True)
class JobAction:
    """A change of a job that a user asks for, the same from page, API and command line.

    Attributes:
        phrase: what the action does, with `{}` for the job: `make {} urgent`.
        past: what was done, for the history of the job: `Set urgent`. Empty: there is none then.
        counts: whether the outcome tells how many tasks it meant, which the history then does too.
        fits: whether the job's state allows it.
        effect: does it, and returns the outcome in words.
        runs_again: whether ended tasks wait again; an urgent job may lose its urgency then
            (`hurry.calm_down`).
        why_not: where the state alone does not say why the action does not fit.
    """

    name: str
    label: str
    icon: str
    confirm: str = ""
    danger: bool = False
    allowed: Callable[[User, DicomJob], bool]
    fits: Callable[[DicomJob], bool]
    effect: Callable[[DicomJob], str]
    phrase: str
    past: str
    counts: bool = False
    runs_again: bool = False
    why_not: Callable[[DicomJob], str] = lambda job: ""

    def available(self, user: User, job: DicomJob) -> bool:
        """Whether a button for this action makes sense for the user now."""
        return self.allowed(user, job) and self.fits(job)

    def __call__(self, user: User, job_id: int) -> str:
        """Do it; returns what was done, in words.

        Raises:
            NoSuchJob: no such job, or not visible to the user.
            PermissionDenied: visible, but the user may not do this.
            Conflict: the job's state does not allow it.
        """
        try:
            outcome = again_after_deadlock(lambda: self._act(user, job_id))
        except Deadlocked as err:
            raise Conflict(self._refusal(job_id, BUSY)) from err
        dispatch()
        return outcome

    def _refusal(self, job_id: int, why: str) -> str:
        return f"Cannot {self.phrase.format(f'job {job_id}')}: {why}."

    def _act(self, user: User, job_id: int) -> str:
        """Do it within a transaction."""
        job = lock_job(job_id)
        if job is None or not is_owner_or_staff(user, job):
            raise NoSuchJob(f"There is no job {job_id}.")
        if not self.allowed(user, job):
            raise PermissionDenied(f"You may not {self.phrase.format('this job')}.")
        if not self.fits(job):
            why = self.why_not(job) or JOB_STATES_IN_WORDS[DicomJob.State(job.state)]
            raise Conflict(self._refusal(job_id, why))
        outcome = self.effect(job)
        told = f" {outcome}" if self.counts else ""
        if self.past:
            add_job_event(job_id, f"{self.past} by {user.get_username()}.{told}")
        if self.runs_again and (calmed := calm_down(user, job)):
            outcome = f"{outcome} {calmed}"
        derive_job_state(job_id)
        action_done.send(
            JobAction, user=user, action=f"job.{self.name}", object=job, outcome=outcome
        )
        return outcome

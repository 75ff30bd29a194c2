"""What every action on tasks has in common. An action on one task is one on many with one in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

from adit.core.jobs.actions.base import (
    JOB_STATES_IN_WORDS,
    Conflict,
    NoSuchJob,
    actions_done,
    is_owner_or_staff,
)
from adit.core.jobs.actions.hurry import calm_down
from adit.core.jobs.deadlocks import BUSY, Deadlocked, again_after_deadlock
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.events import add_events, add_job_event
from adit.core.jobs.states import derive_job_state, lock_job
from adit.core.models import DicomJob, DicomTask, TaskEvent
from adit.core.words import counted

if TYPE_CHECKING:
    from adit.accounts.models import User

TASK_STATES_IN_WORDS = {
    DicomTask.State.PENDING: "it is pending",
    DicomTask.State.IN_PROGRESS: "it is in progress",
    DicomTask.State.CANCELED: "it is canceled",
    DicomTask.State.SUCCESS: "it has succeeded",
    DicomTask.State.WARNING: "it has ended with warnings",
    DicomTask.State.FAILURE: "it has failed",
}


class NoSuchTask(NoSuchJob):
    """There is no such task, or the user may not know that there is."""


@dataclass(frozen=True)
class BulkOutcome:
    """What became of many tasks.

    Attributes:
        done: ids of the tasks on which the action was done.
        refused: (task id, reason in words) of the others. The message of a task that the user may
            not see is the one of a task that does not exist.
        notes: what else has changed, in sentences.
        names: what the tasks are called, as on the pages: by their line in the job.
    """

    done: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskAction:
    """A change of tasks that a user asks for, the same from page, API and command line.

    Attributes:
        verb, past: what the action does, and what it did to a task, in words.
        effect: changes those of the tasks (given by id, all of the locked job) whose state still
            allows it, and returns the ids of the changed ones.
        job_fits: says in words why the job's state forbids it, empty where it does not.
        spared: the tasks that are not changed although their own state allows it, with the reason.
        spared_alone: likewise of each, as if the action were done on it alone.
        level: that of the line in the history of the task.
        runs_again: whether the tasks wait again (as of `JobAction`).
        gone: whether the tasks are there no more afterwards.
    """

    name: str
    label: str
    icon: str
    confirm: str = ""
    danger: bool = False
    verb: str
    past: str
    states: frozenset[str]
    allowed: Callable[[User, DicomJob], bool]
    effect: Callable[[DicomJob, Collection[int]], set[int]]
    job_fits: Callable[[DicomJob], str] = lambda job: ""
    spared: Callable[[DicomJob, Collection[int]], dict[int, str]] = lambda job, ids: {}
    spared_alone: Callable[[DicomJob, Collection[int]], dict[int, str]] = lambda job, ids: {}
    level: str = TaskEvent.Level.INFO
    runs_again: bool = False
    gone: bool = False

    def fitting(self, job: DicomJob, tasks: Iterable[DicomTask]) -> set[int]:
        """The ids of those tasks of the job on which the action could be done now, on each alone.
        The number of statements does not depend on that of the tasks."""
        ids = {task.pk for task in tasks if task.state in self.states}
        if not ids or self.job_fits(job):
            return set()
        return ids - self.spared_alone(job, ids).keys()

    def fits(self, task: DicomTask) -> bool:
        """Whether the state of the task, and of its job, allows the action."""
        return task.pk in self.fitting(task.job, [task])

    def available(self, user: User, task: DicomTask) -> bool:
        """Whether a button for this action makes sense for the user now."""
        return self.allowed(user, task.job) and self.fits(task)

    def __call__(self, user: User, task_id: int) -> str:
        """Do it on one task; returns what was done, in words.

        Raises:
            NoSuchTask: no such task, or not visible to the user.
            PermissionDenied: visible, but the user may not do this.
            Conflict: the task's state, or its job's, does not allow it.
        """
        job_id = DicomTask.objects.filter(pk=task_id).values_list("job_id", flat=True).first()
        if job_id is None:
            raise NoSuchTask(f"There is no task {task_id}.")
        outcome = BulkOutcome()
        _act_on_job(self, user, job_id, [task_id], outcome)
        dispatch()
        if outcome.refused:
            raise Conflict(outcome.refused[0][1])
        done = f"{outcome.names[task_id].capitalize()} is {self.past}."
        return " ".join([done, *outcome.notes])


def act_on_selected(action: TaskAction, user: User, task_ids: Iterable[int]) -> BulkOutcome:
    """Do `action` on many tasks, in one transaction a job; what does not fit is refused with the
    reason, and does not keep the others from being done.

    Raises:
        PermissionDenied: the user may not do this on the tasks of one of the jobs; nothing more
            was done from that job on.
    """
    outcome = BulkOutcome()
    wanted = list(dict.fromkeys(task_ids))
    jobs: dict[int, list[int]] = {}
    rows = DicomTask.objects.filter(pk__in=wanted).order_by("pk").values_list("job_id", "pk")
    for job_id, task_id in rows:
        jobs.setdefault(job_id, []).append(task_id)
    there = {task_id for ids in jobs.values() for task_id in ids}
    outcome.refused.extend((pk, f"There is no task {pk}.") for pk in wanted if pk not in there)
    for job_id in sorted(jobs):
        try:
            _act_on_job(action, user, job_id, jobs[job_id], outcome)
        except NoSuchTask:
            outcome.refused.extend((pk, f"There is no task {pk}.") for pk in jobs[job_id])
        except Conflict as err:
            outcome.refused.extend(
                (pk, f"Cannot {action.verb} {outcome.names.get(pk, f'task {pk}')}: {err}")
                for pk in jobs[job_id]
            )
    dispatch()
    return outcome


def _act_on_job(
    action: TaskAction, user: User, job_id: int, task_ids: list[int], outcome: BulkOutcome
) -> None:
    """Do the action on tasks of one job; adds to `outcome` once the transaction has committed."""
    try:
        done, refused, calmed = again_after_deadlock(
            lambda: _change(action, user, job_id, task_ids, outcome.names)
        )
    except Deadlocked as err:
        raise Conflict(f"Job {job_id} cannot be changed: {BUSY}.") from err
    outcome.done.extend(pk for pk in task_ids if pk in done)
    outcome.refused.extend(refused)
    if calmed:
        outcome.notes.append(calmed)


def _change(
    action: TaskAction, user: User, job_id: int, task_ids: list[int], names: dict[int, str]
) -> tuple[set[int], list[tuple[int, str]], str]:
    """Do it within a transaction; adds to `names`.

    Returns:
        The ids of the tasks on which it was done, the refusals, and what else has changed.
    """
    job = lock_job(job_id)
    if job is None or not is_owner_or_staff(user, job):
        raise NoSuchTask(f"There is no task {task_ids[0]}.")
    if not action.allowed(user, job):
        raise PermissionDenied(f"You may not {action.verb} tasks of this job.")
    tasks = DicomTask.objects.filter(job=job).defer("log").in_bulk(task_ids)
    names.update((pk, f"task {task.line} of job {job_id}") for pk, task in tasks.items())
    obstacle = action.job_fits(job)
    ready = [pk for pk, task in tasks.items() if task.state in action.states and not obstacle]
    spared = action.spared(job, ready) if ready else {}
    ready = [pk for pk in ready if pk not in spared]
    done = action.effect(job, ready) if ready else set()
    calmed = calm_down(user, job) if done and action.runs_again else ""
    refused = []
    for pk in task_ids:
        if pk in done:
            continue
        if pk not in tasks:
            refused.append((pk, f"There is no task {pk}."))
        else:
            state = TASK_STATES_IN_WORDS[DicomTask.State(tasks[pk].state)]
            why = obstacle or spared.get(pk) or state
            refused.append((pk, f"Cannot {action.verb} {names[pk]}: {why}."))
    if done:
        changed = [tasks[pk] for pk in task_ids if pk in done]
        _tell(action, user, job_id, changed)
        actions_done.send(
            TaskAction,
            user=user,
            action=f"task.{action.name}",
            entries=[
                (task, f"{names[task.pk].capitalize()} is {action.past}.") for task in changed
            ],
        )
        derive_job_state(job_id)
    return done, refused, calmed


def _tell(action: TaskAction, user: User, job_id: int, tasks: Sequence[DicomTask]) -> None:
    """Add to the history who did it: to that of each task, or of the job where they are gone."""
    who = f"by {user.get_username()}."
    if action.gone:
        lines = ", ".join(str(task.line) for task in tasks[:20]) + (", …" if tasks[20:] else "")
        text = f"Deleted {counted(len(tasks), 'task')} ({lines}) {who}"
        # Those that ran before, and were waiting to do so again.
        if delivered := sum(task.instances_done for task in tasks):
            stays = "stays" if delivered == 1 else "stay"
            text += f" {counted(delivered, 'instance')} that it had done {stays} delivered."
        add_job_event(job_id, text)
        return
    add_events(
        [task.pk for task in tasks],
        f"{action.past.partition(';')[0].capitalize()} {who}",
        action.level,
    )


def job_in_words(job: DicomJob) -> str:
    """`its job is being canceled`."""
    return "its job " + JOB_STATES_IN_WORDS[DicomJob.State(job.state)].removeprefix("it ")

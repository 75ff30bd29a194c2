"""Release and discard: what staff decides about instances that the leak gate holds."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from adit.core.jobs.actions.base import Conflict, action_done
from adit.core.jobs.actions.rerun import reopen_state, wait_again
from adit.core.jobs.deadlocks import BUSY, Deadlocked, again_after_deadlock
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.events import add_event
from adit.core.jobs.states import derive_job_state, lock_job
from adit.core.models import DicomJob, DicomTask, SeriesTransfer
from adit.core.models.records import InstanceRecord, InstanceState
from adit.core.transfer.ledger_store import (
    fill_row,
    load_series,
    mark_canceled_series,
    mark_unfinished_series,
)
from adit.core.transfer.series_ledger import SeriesLedger
from adit.core.words import counted

if TYPE_CHECKING:
    from adit.accounts.models import User

DISCARDED = "discarded by staff"
RELEASED = "released by staff"


class NotHeld(Exception):
    """There is no such series in the ledger."""


def held_key(series_id: int, record: InstanceRecord) -> str:
    """Names a held instance with just this content in pages, from which nobody can tell its UID."""
    value = f"{series_id}\0{record.source_uid}\0{record.sha256_held}"
    return salted_hmac("adit.held", value).hexdigest()[:20]


def check_may_decide(user: User) -> None:
    """Raises PermissionDenied unless the user may look at what is held, and decide about it."""
    if not user.is_staff:
        raise PermissionDenied("Only staff may look at held instances and decide about them.")


def _release(record: InstanceRecord) -> None:
    """It is for what was held (`sha256_held`): other content is held again."""
    record.accepted = record.findings
    record.state, record.reason = InstanceState.EXPECTED, RELEASED
    record.findings, record.retry = (), True


def _discard(record: InstanceRecord) -> None:
    record.state, record.reason = InstanceState.EXCLUDED, DISCARDED
    record.discarded = True


@dataclass(frozen=True, kw_only=True)
class HeldAction:
    """A decision about held instances of one series, all held for the same findings."""

    name: str
    label: str
    done: str
    effect: Callable[[InstanceRecord], None]

    def __call__(
        self, user: User, series_id: int, keys: Collection[str], findings: Collection[str]
    ) -> str:
        """Decide; returns what was done, in words.

        The task runs again where that is needed: to deliver what was released, or to close the
        transfer when nothing is held any more. What is proven at the destination is not sent
        again.

        Args:
            keys: of the instances (`held_key`).
            findings: what the user was shown. Exactly this is accepted: where an instance is held
                for something else by now, or with other content, nothing is done.

        Raises:
            NotHeld: no such series.
            PermissionDenied: the user is no staff.
            Conflict: the task runs, or an instance is not held any more, or for something else.
        """
        check_may_decide(user)
        ids = SeriesTransfer.objects.filter(pk=series_id).values_list("task_id", "task__job_id")
        if (found := ids.first()) is None:
            raise NotHeld(f"There is no series {series_id}.")
        task_id, job_id = found
        try:
            outcome = again_after_deadlock(
                lambda: self._decide(user, job_id, task_id, series_id, keys, findings)
            )
        except Deadlocked as err:
            raise Conflict(f"Nothing is decided: {BUSY}.") from err
        dispatch()
        return f"{outcome}."

    def _decide(
        self,
        user: User,
        job_id: int,
        task_id: int,
        series_id: int,
        keys: Collection[str],
        findings: Collection[str],
    ) -> str:
        """Do it within a transaction."""
        job = lock_job(job_id)
        task = _locked(DicomTask.objects.filter(pk=task_id))
        row = _locked(SeriesTransfer.objects.filter(pk=series_id))
        if job is None or task is None or row is None:
            raise NotHeld(f"There is no series {series_id}.")
        _check_state(job, task)
        series = load_series(row)
        records = _records(series, series_id, keys, findings)
        for record in records:
            self.effect(record)
        fill_row(row, series)
        row.save()
        outcome = _in_words(len(records), self.done)
        add_event(task_id, f"{outcome} by {user.get_username()}.")
        runs_again = self.effect is _release or not _still_held(task_id)
        if not runs_again and task.state == DicomTask.State.CANCELED:
            mark_canceled_series([task_id])
        else:
            # The run that may follow tries again what was refused because of what was held.
            mark_unfinished_series([task_id])
        if runs_again:
            wait_again(DicomTask.objects.filter(pk=task_id))
            reopen_state(job)
            derive_job_state(job_id)
        action_done.send(
            HeldAction, user=user, action=f"held.{self.name}", object=task, outcome=outcome
        )
        return outcome


def _locked(rows: QuerySet[Any]) -> Any:
    """The row, locked: in itself, not in what it is ordered by."""
    return rows.select_for_update(no_key=True).order_by().first()


def _check_state(job: DicomJob, task: DicomTask) -> None:
    if job.state == DicomJob.State.CANCELING:
        raise Conflict("The job is being canceled: wait until it has ended.")
    if not task.is_ended:
        raise Conflict(
            "The task is working or waiting to: decide about its held instances when it has ended."
        )


def _records(
    series: SeriesLedger, series_id: int, keys: Collection[str], findings: Collection[str]
) -> list[InstanceRecord]:
    wanted = set(keys)
    if not wanted:
        raise Conflict("No instance was chosen.")
    by_key = {held_key(series_id, record): record for record in series.records.values()}
    records = [by_key[key] for key in sorted(wanted) if key in by_key]
    held = [record for record in records if record.state is InstanceState.HELD]
    if len(held) < len(wanted):
        raise Conflict(
            f"{len(wanted) - len(held)} of {counted(len(wanted), 'instance')} not held any more: "
            "somebody has decided about them, they were held again with other content, or the task "
            "was restarted."
        )
    if any(set(record.findings) != set(findings) for record in held):
        raise Conflict("What was found in the instances is not what the page showed: look again.")
    return held


def _in_words(number: int, done: str) -> str:
    return f"{counted(number, 'held instance')} {done}"


def _still_held(task_id: int) -> bool:
    return SeriesTransfer.objects.filter(task_id=task_id, held__gt=0).exists()


release_held = HeldAction(name="release", label="Release", done="released", effect=_release)
discard_held = HeldAction(name="discard", label="Discard", done="discarded", effect=_discard)
HELD_ACTIONS = {action.name: action for action in (release_held, discard_held)}

"""Two processes that do something at the same moment."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path
from typing import Any

# The racers import no model before Django is set up in them.
_context = multiprocessing.get_context("forkserver")


def _race(database: str, pipe: Any, barrier: Any) -> None:
    """A racer: takes what to do, waits for the other, does it, tells how it went."""
    import django

    django.setup()
    from django.db import connections

    connections.settings["default"]["NAME"] = database
    from adit.core.jobs import registry
    from adit.test_jobs.kind import BULK, SCRIPTED

    for kind in (SCRIPTED, BULK):
        registry.register(kind)
    while (order := pipe.recv()) is not None:
        what, arguments, delay = order
        barrier.wait(60)
        time.sleep(delay)
        try:
            pipe.send(("done", MOVES[what](*arguments)))
        except Exception as error:
            pipe.send((type(error).__name__, str(error)))


def _claim(task_id: int) -> Any:
    from adit.core.jobs import leases

    return leases.claim(task_id, "racer")


def _finish(lease: Any, state: str) -> bool:
    from adit.core.jobs import leases

    return bool(leases.finish(lease, state, "Done."))


def _conclude(lease: Any, outcome: Any) -> None:
    from adit.core.jobs.conclusion import conclude

    conclude(lease, outcome)


def _hand_back(lease: Any) -> bool:
    from adit.core.jobs import leases

    return bool(leases.hand_back(lease))


def _renew(lease: Any) -> str:
    from adit.core.jobs import leases

    return leases.renew(lease).value


def _progress(lease: Any, done: int) -> bool:
    """As the ledger of a transfer is written: guarded, with an event."""
    from django.db import transaction

    from adit.core.dicom import CancelToken
    from adit.core.jobs.run import LeaseLost, TaskRun

    run = TaskRun(lease, CancelToken(), Path())
    try:
        with transaction.atomic():
            run.guard()
            run.event("Gets on.")
            run.progress(now=True, instances_done=done)
    except LeaseLost:
        return False
    return True


def _count_few() -> None:
    """Let this process count jobs of few tasks as seldom as large ones."""
    from adit.core.jobs import states

    states._MANY_TASKS = 2
    states._PAUSE_SECONDS = 3600.0


def _derive_stale() -> bool:
    """What a worker does a second later; whether there was anything."""
    from adit.core.jobs.states import any_stale, derive_stale

    stale = any_stale()
    derive_stale()
    return stale


def _on_job(name: str, user_id: int, job_id: int) -> str:
    from adit.accounts.models import User
    from adit.core.jobs.actions import JOB_ACTIONS

    return JOB_ACTIONS[name](User.objects.get(pk=user_id), job_id)


def _on_tasks(name: str, user_id: int, task_ids: list[int]) -> list[int]:
    from adit.accounts.models import User
    from adit.core.jobs.actions import act_on_tasks

    return act_on_tasks(User.objects.get(pk=user_id), name, task_ids).done


def _dispatch() -> int:
    from adit.core.jobs.dispatcher import dispatch

    return dispatch()


def _suspend(suspended: bool) -> None:
    from adit.core.models import DicomServer

    DicomServer.objects.update(is_suspended=suspended)


def _sweep() -> None:
    from adit.core.jobs.sweep import sweep

    sweep()


MOVES = {
    "claim": _claim,
    "finish": _finish,
    "conclude": _conclude,
    "hand_back": _hand_back,
    "renew": _renew,
    "progress": _progress,
    "count_few": _count_few,
    "derive_stale": _derive_stale,
    "job": _on_job,
    "tasks": _on_tasks,
    "dispatch": _dispatch,
    "suspend": _suspend,
    "sweep": _sweep,
}


class Racers:
    """Two racers, for many rounds."""

    def __init__(self, database: str) -> None:
        # Kept: the racers open it by a name that goes with this object.
        self._barrier = _context.Barrier(2)
        self._pipes = []
        self._processes = []
        for _ in range(2):
            ours, theirs = _context.Pipe()
            process = _context.Process(
                target=_race, args=(database, theirs, self._barrier), daemon=True
            )
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def __call__(
        self, first: tuple, second: tuple, refusals: tuple[str, ...] = ("Conflict",)
    ) -> list[tuple[str, Any]]:
        """Let both do their move at once; returns ("done", result) or (error, message) of each.

        An error that is none of the `refusals`, such as a deadlock, fails the test.
        """
        late = random.choice((0, 1))
        for index, (pipe, (what, *arguments)) in enumerate(
            zip(self._pipes, (first, second), strict=True)
        ):
            pipe.send((what, arguments, random.uniform(0, 0.004) if index == late else 0))
        answers = []
        for pipe in self._pipes:
            assert pipe.poll(120), "a racer does not answer: deadlock"
            answers.append(pipe.recv())
        assert not [a for a in answers if a[0] not in ("done", *refusals)], answers
        return answers

    def stop(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(30)
            process.kill()

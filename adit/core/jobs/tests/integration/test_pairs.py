"""Every two moves at once: what comes out is what the one after the other would have made.

For each pair of moves both orders are done one after the other, and then both at the same moment by
two real processes; the end must be the end of one of the orders, with the same answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from adit.core.jobs import leases
from adit.core.jobs.actions import cancel_job
from adit.core.jobs.child import Outcome
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.tests.integration.racers import MOVES
from adit.core.jobs.tests.integration.scripted import (
    assert_legal,
    delete_queue_rows,
    lapse,
    tasks_of,
)
from adit.core.models import DicomJob, DicomTask

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]


@dataclass
class Scene:
    """A job alone in the world, and the leases that somebody holds or believes to hold."""

    job: Any
    user: int
    tasks: list[DicomTask]
    lease: Any = None
    late: Any = None


def _claimed(task: DicomTask) -> Any:
    lease = leases.claim(task.pk, "test")
    assert lease
    return lease


def _running(make: Callable[..., Scene]) -> Scene:
    """Three tasks: one failed, one runs, one waits; a late run holds no lease any more."""
    scene = make(3)
    first, second, _ = scene.tasks
    scene.late = _claimed(first)
    DicomTask.objects.filter(pk=first.pk).update(lease=None, lease_until=None, state="PENDING")
    assert leases.finish(_claimed(first), "FAILURE", "no")
    dispatch()
    scene.lease = _claimed(second)
    return scene


def _lapsed(make: Callable[..., Scene]) -> Scene:
    """The same, and the worker of the one that runs is gone."""
    scene = _running(make)
    lapse()
    return scene


def _ended(make: Callable[..., Scene]) -> Scene:
    """One failed, one with warnings, one that succeeded."""
    scene = make(3)
    for task, state in zip(scene.tasks, ("FAILURE", "WARNING", "SUCCESS"), strict=True):
        scene.late = _claimed(task)
        assert leases.finish(scene.late, state, "Done.")
        dispatch()
    return scene


def _canceled(make: Callable[..., Scene]) -> Scene:
    scene = make(3)
    scene.late = _claimed(scene.tasks[0])
    assert leases.finish(scene.late, "SUCCESS", "Done.")
    cancel_job(scene.job.owner, scene.job.pk)
    return scene


def _waiting(make: Callable[..., Scene]) -> Scene:
    return make(2)


def _unverified(make: Callable[..., Scene]) -> Scene:
    return make(2, verified=False)


def _overtaken(make: Callable[..., Scene]) -> Scene:
    """Its tasks are handed over; urgent ones of another job are to take their places."""
    scene = make(2)
    other = make(2, alone=False)
    DicomJob.objects.filter(pk=other.job.pk).update(urgent=True)
    return scene


def _jobs(*names: str) -> dict[str, Callable[[Scene], tuple]]:
    def move(name: str) -> Callable[[Scene], tuple]:
        return lambda scene: ("job", name, scene.user, scene.job.pk)

    return {name: move(name) for name in names}


def _on(name: str, *which: int) -> Callable[[Scene], tuple]:
    return lambda s: ("tasks", name, s.user, [s.tasks[index].pk for index in which])


# What can be done in each scene; some of it fits only after something else was done.
SCENES: dict[Callable[..., Scene], dict[str, Callable[[Scene], tuple]]] = {
    _unverified: {
        **_jobs("verify", "delete", "set_urgent"),
        "delete a task": _on("delete", 0),
        "dispatch": lambda s: ("dispatch",),
    },
    _waiting: {
        **_jobs("cancel", "delete", "set_urgent", "resume"),
        "claim": lambda s: ("claim", s.tasks[0].pk),
        "delete the first": _on("delete", 0),
        "delete the second": _on("delete", 1),
        "kill": _on("kill", 0),
        "sweep": lambda s: ("sweep",),
    },
    _running: {
        **_jobs("cancel", "resume", "retry"),
        "claim": lambda s: ("claim", s.tasks[2].pk),
        "end": lambda s: ("finish", s.lease, "SUCCESS"),
        "try again": lambda s: ("conclude", s.lease, Outcome("transient", "no", "FAILURE")),
        "crash": lambda s: ("conclude", s.lease, Outcome("crashed", "Its process died.")),
        "hand back": lambda s: ("hand_back", s.lease),
        "late end": lambda s: ("finish", s.late, "SUCCESS"),
        "late crash": lambda s: ("conclude", s.late, Outcome("crashed", "Its process died.")),
        "reset": _on("reset", 0),
        "kill": _on("kill", 1),
        "delete": _on("delete", 2),
    },
    _lapsed: {
        **_jobs("cancel"),
        "sweep": lambda s: ("sweep",),
        "beat": lambda s: ("renew", s.lease),
        "end": lambda s: ("finish", s.lease, "SUCCESS"),
        "kill": _on("kill", 1),
        "progress": lambda s: ("progress", s.lease, 7),
    },
    _ended: {
        **_jobs("retry", "retry_warned", "restart", "cancel", "delete"),
        "reset": _on("reset", 0, 2),
        "late end": lambda s: ("finish", s.late, "FAILURE"),
        "claim": lambda s: ("claim", s.tasks[0].pk),
    },
    _overtaken: {
        **_jobs("cancel", "delete"),
        "delete a task": _on("delete", 1),
        "claim": lambda s: ("claim", s.tasks[0].pk),
        "dispatch": lambda s: ("dispatch",),
    },
    _canceled: {
        **_jobs("resume", "cancel", "restart", "retry"),
        "reset": _on("reset", 0),
        "late end": lambda s: ("finish", s.late, "FAILURE"),
        "claim": lambda s: ("claim", s.tasks[1].pk),
    },
}

# More rounds where two processes lock several rows each.
ROUNDS = {_overtaken: 6}


@pytest.fixture
def staff_user(make_user):
    user = make_user(is_staff=True)
    user.user_permissions.add(
        Permission.objects.get(codename="can_process_urgently"),
        Permission.objects.get(codename="add_dicomjob"),
    )
    return type(user).objects.get(pk=user.pk)


@pytest.fixture
def stage(staff_user, scripted, settings):
    """Set a scene anew."""
    settings.TASK_RETRY_WAITS = [0]

    def make(number: int, *, alone: bool = True, **changes: Any) -> Scene:
        if alone:
            DicomTask.objects.all().delete()
            DicomJob.objects.all().delete()
            delete_queue_rows()
        job = scripted(staff_user, *[""] * number, **changes)
        return Scene(job, staff_user.pk, tasks_of(job))

    return make


def _do(move: tuple) -> tuple[str, Any]:
    what, *arguments = move
    try:
        return "done", MOVES[what](*arguments)
    except Exception as error:
        return type(error).__name__, str(error)


def _plain(scene: Scene, move: tuple, answer: tuple[str, Any]) -> Any:
    """An answer without what differs from scene to scene."""
    word, value = answer
    if word != "done" or move[0] in ("job", "dispatch", "sweep"):
        return word
    if move[0] == "tasks":
        return [index for index, task in enumerate(scene.tasks) if task.pk in value]
    return value if move[0] == "renew" else bool(value)


def _picture(scene: Scene) -> Any:
    """What everybody sees of the job afterwards."""
    job = DicomJob.objects.filter(pk=scene.job.pk).first()
    if job is None:
        assert not DicomTask.objects.filter(job_id=scene.job.pk).exists()
        return None
    rows = {
        row["pk"]: row
        for row in DicomTask.objects.filter(job=job).values(
            "pk", "state", "attempts", "crashes", "message", "cancel_requested", "instances_done"
        )
    }
    places = {task.pk: index for index, task in enumerate(scene.tasks)}
    return (
        job.state,
        job.message,
        job.urgent,
        job.start is not None,
        [(places[pk], *list(row.values())[1:]) for pk, row in sorted(rows.items())],
    )


def _serial(scene: Scene, moves: list[tuple], order: tuple[int, int]) -> Any:
    answers: dict[int, Any] = {}
    for index in order:
        answers[index] = _plain(scene, moves[index], _do(moves[index]))
    return _picture(scene), answers[0], answers[1]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__.strip("_"))
def test_two_moves_at_once_make_what_one_after_the_other_makes(scene, stage, race):
    for names in itertools.combinations_with_replacement(SCENES[scene], 2):
        makers = [SCENES[scene][name] for name in names]
        allowed = []
        for order in ((0, 1), (1, 0)):
            set_up = scene(stage)
            picture, *answers = _serial(set_up, [make(set_up) for make in makers], order)
            allowed.append((picture, *answers))
            first, second = (names[number] for number in order)
            if second == "beat" and first != "beat":
                # It skips a row that the other one has locked, and reads it as it was before: the
                # change is told by the next heartbeat.
                answers[order[1]] = "held"
                allowed.append((picture, *answers))
            assert_legal()
        for _ in range(ROUNDS.get(scene, 2)):
            set_up = scene(stage)
            moves = [make(set_up) for make in makers]
            answers = race(*moves, refusals=("Conflict", "NoSuchJob"))
            plain = [_plain(set_up, m, a) for m, a in zip(moves, answers, strict=True)]
            assert (_picture(set_up), *plain) in allowed, names
            assert_legal()

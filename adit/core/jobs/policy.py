"""What to dispatch next, when to try again: pure functions that return decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adit.core.jobs.turns import Line, Slots, Turns


@dataclass(frozen=True)
class Candidate:
    """A task that waits, be it handed to the queue already or not.

    `priority` is the weight of its kind and urgency; the larger, the sooner. `queue_job_id` and
    `queue_rank` are those of its row in the queue. `destination_id` is the node that it delivers
    to, if it does.
    """

    task_id: int
    owner_id: int
    source_id: int
    urgent: bool
    priority: int
    queue_job_id: int | None = None
    queue_rank: int | None = None
    destination_id: int | None = None


def choose_tasks(candidates: Iterable[Candidate], slots: Mapping[int, Slots]) -> list[Candidate]:
    """Choose the tasks that are to be in the queue now: as many as their servers have room for, in
    the order in which workers are to take them (`turns.Turns`).

    What is in the queue already has no advantage, so that a task that came later and weighs more
    takes the place of one that no worker has begun with.
    """
    waiting: dict[tuple[int, int, bool, int], list[Candidate]] = {}
    for c in sorted(candidates, key=lambda c: c.task_id):
        source = slots.get(c.source_id)
        # A folder takes tasks at any time.
        end = slots.get(c.destination_id) if c.destination_id else None
        if source and source.takes(c.urgent) and (end is None or end.takes(c.urgent)):
            waiting.setdefault((c.source_id, c.owner_id, c.urgent, c.priority), []).append(c)
    groups = list(waiting.values())
    lines = [
        Line(source_id, urgent, priority, owner_id, len(group), [c.task_id for c in group])
        for (source_id, owner_id, urgent, priority), group in waiting.items()
    ]
    turns = Turns(lines, slots)
    return [groups[line][number - 1] for line, number in iter(turns.take, None)]


@dataclass(frozen=True)
class Retry:
    """The task waits so many seconds and runs again."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """The task fails for good."""

    reason: str


def decide_retry(attempts: int, max_attempts: int, waits: Sequence[int]) -> Retry | GiveUp:
    """After a transient failure in attempt number `attempts` (from 1): wait `waits[attempts-1]`
    seconds (the last wait counts on), or give up after `max_attempts`."""
    if attempts >= max_attempts:
        return GiveUp(f"failed {attempts} times")
    return Retry(waits[min(attempts, len(waits)) - 1] if waits else 0)


def decide_after_crash(crashes: int, max_crashes: int) -> Retry | GiveUp:
    """After a child or a worker died under a task for the `crashes`-th time."""
    if crashes >= max_crashes:
        return GiveUp(f"it was interrupted {crashes} times")
    return Retry(0)


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """How long a run may take; in seconds.

    Attributes:
        without_progress: since it last got on. Longer than any time-out of the network, so that
            only a run that hangs is ended.
        base, per_instance, per_megabyte: the total grows with what is expected and with what is
            done, so that no big study is ended that gets on.
    """

    without_progress: float
    base: float
    per_instance: float
    per_megabyte: float

    def total(self, instances: int, size: int) -> float:
        return self.base + self.per_instance * instances + self.per_megabyte * size / 1e6


def overdue(
    limits: TimeLimits, running: float, since_progress: float, instances: int, size: int
) -> str:
    """Why a run that takes so many seconds is to be ended, in words; empty where it may go on."""
    if since_progress > limits.without_progress:
        return f"No progress for {since_progress / 60:.0f} min."
    if running > limits.total(instances, size):
        return f"Not done after {running / 3600:.1f} h."
    return ""

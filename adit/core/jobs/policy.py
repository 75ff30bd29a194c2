"""What to dispatch next, when to try again: pure functions that return decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Candidate:
    """A task that waits. `priority` already accounts for urgency; the larger, the sooner."""

    task_id: int
    owner_id: int
    source_id: int
    urgent: bool
    priority: int


@dataclass(frozen=True)
class Slots:
    """How many tasks a source server takes, and how many of each owner it has now."""

    limit: int
    taken_by_owner: Mapping[int, int]

    @property
    def free(self) -> int:
        return max(0, self.limit - sum(self.taken_by_owner.values()))


def choose_tasks(candidates: Iterable[Candidate], slots: Mapping[int, Slots]) -> list[Candidate]:
    """Choose the tasks to hand to the queue now, in their order.

    Urgent first, then the priority of the kind, then the owner with the fewest tasks at this
    server, then age (the task's id).
    """
    by_source: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        by_source.setdefault(candidate.source_id, []).append(candidate)

    chosen: list[Candidate] = []
    for source_id, waiting in by_source.items():
        slot = slots.get(source_id)
        if slot is None:
            continue
        taken = Counter(slot.taken_by_owner)
        for _ in range(min(slot.free, len(waiting))):
            best = min(
                waiting, key=lambda c: (not c.urgent, -c.priority, taken[c.owner_id], c.task_id)
            )
            waiting.remove(best)
            taken[best.owner_id] += 1
            chosen.append(best)
    return chosen


@dataclass(frozen=True)
class Retry:
    """The task waits and runs again."""

    not_before: datetime


@dataclass(frozen=True)
class GiveUp:
    """The task fails for good."""

    reason: str


def decide_retry(
    attempts: int, max_attempts: int, waits: Sequence[int], now: datetime
) -> Retry | GiveUp:
    """After a transient failure in attempt number `attempts` (from 1): wait `waits[attempts-1]`
    seconds (the last wait counts on), or give up after `max_attempts`."""
    if attempts >= max_attempts:
        return GiveUp(f"failed {attempts} times")
    wait = waits[min(attempts, len(waits)) - 1] if waits else 0
    return Retry(now + timedelta(seconds=wait))


def decide_after_crash(crashes: int, max_crashes: int, now: datetime) -> Retry | GiveUp:
    """After a child or a worker died under a task for the `crashes`-th time."""
    if crashes >= max_crashes:
        return GiveUp(f"it was interrupted {crashes} times")
    return Retry(now)

"""What to dispatch next, when to try again: pure functions that return decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    """A task that waits, be it handed to the queue already or not.

    `priority` is the weight of its kind and urgency; the larger, the sooner. `destination_id` is
    the node that it delivers to, if it does.
    """

    task_id: int
    owner_id: int
    source_id: int
    urgent: bool
    priority: int
    queue_job_id: int | None = None
    queue_priority: int | None = None
    destination_id: int | None = None


@dataclass(frozen=True)
class Slots:
    """How many tasks a server takes as their source, how many of each owner run there now, when
    one of each owner last started there, and whether tasks may start now that read from it or
    deliver to it: all, or only the urgent ones."""

    limit: int
    running_by_owner: Mapping[int, int]
    is_open: bool = True
    is_open_for_urgent: bool = True
    last_starts: Mapping[int, datetime] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return max(0, self.limit - sum(self.running_by_owner.values()))

    def takes(self, candidate: Candidate) -> bool:
        return self.is_open_for_urgent if candidate.urgent else self.is_open


def choose_tasks(candidates: Iterable[Candidate], slots: Mapping[int, Slots]) -> list[Candidate]:
    """Choose the tasks that are to be in the queue now, in their order.

    Urgent first, then the priority of the kind, then the owner with the fewest tasks at this
    server, of these the one whose last start there is longest ago (or else the one whose tasks came
    first would have every turn of a server with a single slot), then age (the task's id). What is
    in the queue already has no advantage, so that a task that came later and weighs more takes the
    place of one that no worker has begun with.
    """
    by_source: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        slot = slots.get(candidate.source_id)
        # A folder takes tasks at any time.
        end = slots.get(candidate.destination_id) if candidate.destination_id else None
        if slot and slot.takes(candidate) and (end is None or end.takes(candidate)):
            by_source.setdefault(candidate.source_id, []).append(candidate)

    chosen: list[Candidate] = []
    for source_id, waiting in by_source.items():
        slot = slots[source_id]
        taken = Counter(slot.running_by_owner)

        def rank(c: Candidate, taken: Counter[int] = taken, slot: Slots = slot) -> tuple:
            last_start = slot.last_starts.get(c.owner_id, _NEVER)
            return not c.urgent, -c.priority, taken[c.owner_id], last_start, c.task_id

        for _ in range(min(slot.free, len(waiting))):
            best = min(waiting, key=rank)
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

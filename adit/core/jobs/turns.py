"""Whose turn it is: the order in which waiting tasks start, as a pure function of who has what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


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

    def takes(self, urgent: bool) -> bool:
        return self.is_open_for_urgent if urgent else self.is_open


@dataclass(frozen=True)
class Line:
    """What waits of one owner at one server with the same urgency and priority, the oldest first.

    `priority` is the weight of kind and urgency; the larger, the sooner. `first_ids` are those of
    the first few tasks, at least as many as the server takes at once.
    """

    source_id: int
    urgent: bool
    priority: int
    owner_id: int
    length: int
    first_ids: Sequence[int]

    @property
    def rank(self) -> tuple[bool, int]:
        return not self.urgent, -self.priority


class Turns:
    """Gives one turn after the other to those who wait, as long as their servers have room.

    Urgent first, then the priority of the kind, then fairness, then age (the task's id). Fairness
    is asked twice, for slots of workers and slots of servers are both scarce: whose turn it is, of
    all who wait at servers with room, is told by how many tasks each owner has in all; who goes
    first at that server, by how many each has there. So nobody waits longer at one server for what
    he has at another, and whoever stands before an owner whose turn it is goes at once. Between
    equals the one whose last start is longest ago comes first (or else the one whose tasks came
    first would have every turn of a server with a single slot).
    """

    def __init__(self, lines: Sequence[Line], slots: Mapping[int, Slots]) -> None:
        self._lines = lines
        self._gone = [0] * len(lines)
        self._here = {pk: Counter(slot.running_by_owner) for pk, slot in slots.items()}
        # Less than none where the limit was lowered.
        self._free = {pk: slot.limit - self._here[pk].total() for pk, slot in slots.items()}
        self._total: Counter[int] = sum(self._here.values(), Counter())
        self._last_here, self._last = _numbered(slots)
        self._turn = len(self._last_here)
        self._started: list[Line] = []
        self._by_rank: dict[tuple[bool, int], list[int]] = {}
        for i, line in enumerate(lines):
            if line.source_id in slots:
                self._by_rank.setdefault(line.rank, []).append(i)

    def take(self) -> tuple[int, int] | None:
        """The next turn: (index of the line, number in it from 1). None: nobody has room."""
        for rank in sorted(self._by_rank):
            waiting = [i for i in self._by_rank[rank] if self._free[self._lines[i].source_id] > 0]
            if waiting:
                return self._start(rank, waiting)
        return None

    def _start(self, rank: tuple[bool, int], waiting: list[int]) -> tuple[int, int]:
        turn_of = self._lines[min(waiting, key=self._weigh)]
        there = [i for i in waiting if self._lines[i].source_id == turn_of.source_id]
        first = min(there, key=self._weigh_here)
        line = self._lines[first]
        self._gone[first] += 1
        self._free[line.source_id] -= 1
        self._here[line.source_id][line.owner_id] += 1
        self._total[line.owner_id] += 1
        self._started.append(line)
        if self._gone[first] == line.length:
            self._by_rank[rank].remove(first)
        return first, self._gone[first]

    def end(self, source_id: int, owner_id: int) -> None:
        """A task that had its turn, or ran before, has ended."""
        # What starts together had its turn at the same time.
        for line in self._started:
            key = line.source_id, line.owner_id
            self._last_here[key] = self._last[line.owner_id] = self._turn
            self._turn += 1
        self._started.clear()
        self._here[source_id][owner_id] -= 1
        self._total[owner_id] -= 1
        self._free[source_id] += 1

    def _weigh(self, i: int) -> tuple[int, int, int]:
        line = self._lines[i]
        return self._total[line.owner_id], self._last.get(line.owner_id, -1), self._oldest(i)

    def _weigh_here(self, i: int) -> tuple[int, int, int]:
        line = self._lines[i]
        last = self._last_here.get((line.source_id, line.owner_id), -1)
        return self._here[line.source_id][line.owner_id], last, self._oldest(i)

    def _oldest(self, i: int) -> int:
        ids = self._lines[i].first_ids
        return ids[min(self._gone[i], len(ids) - 1)]


def _numbered(slots: Mapping[int, Slots]) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    """The last starts as numbers in their order: by server and owner, and by owner."""
    starts = [
        (time, source_id, owner_id)
        for source_id, slot in slots.items()
        for owner_id, time in slot.last_starts.items()
    ]
    here: dict[tuple[int, int], int] = {}
    latest: dict[int, int] = {}
    for number, (_, source_id, owner_id) in enumerate(sorted(starts)):
        here[source_id, owner_id] = latest[owner_id] = number
    return here, latest

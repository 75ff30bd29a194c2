"""The place of waiting tasks in the queue of their source, by the rules of the dispatcher."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from adit.core.jobs.policy import Slots
from adit.core.jobs.registry import all_kinds
from adit.core.jobs.servers import ServerRules
from adit.core.models import DicomTask

# So far turns are played through; who comes later is told about where he stands.
MOST_TURNS = 500


@dataclass(frozen=True)
class Place:
    """From 1. `exact`: unless something comes, goes or fails, so many tasks start before it."""

    number: int
    exact: bool = True


@dataclass(frozen=True)
class Line:
    """What waits of one owner at one server with the same urgency and priority, the oldest first.

    `first_ids` are those of the first few tasks, at least as many as the server takes at once.
    """

    urgent: bool
    priority: int
    owner_id: int
    length: int
    first_ids: Sequence[int]

    @property
    def rank(self) -> tuple[bool, int]:
        return not self.urgent, -self.priority


def find_places(
    lines: Sequence[Line], slots: Slots, wanted: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], Place]:
    """Play through in which order the dispatcher takes tasks (`policy.choose_tasks`).

    Args:
        lines: all that wait at the server.
        slots: how many it takes, who has some of them now, and who last had a turn.
        wanted: (index of the line, number in the line from 1).
    """
    wanted = set(wanted)
    if len({line.owner_id for line in lines}) < 2:
        return {(i, turn): Place(_above(lines, i) + turn) for i, turn in wanted}
    places: dict[tuple[int, int], Place] = {}
    # Which of several running tasks ends first, nobody knows.
    certain = MOST_TURNS if slots.limit == 1 else slots.free
    for number, taken in enumerate(_turns(lines, slots), 1):
        if taken in wanted:
            places[taken] = Place(number, number <= certain)
        if number == MOST_TURNS or len(places) == len(wanted):
            break
    for i, turn in wanted - places.keys():
        same = [line for line in lines if line.rank == lines[i].rank]
        number = _above(lines, i) + sum(min(line.length, turn) for line in same)
        places[i, turn] = Place(max(number, MOST_TURNS + 1), exact=False)
    return places


def _above(lines: Sequence[Line], index: int) -> int:
    """How many tasks weigh more than those of a line."""
    return sum(line.length for line in lines if line.rank < lines[index].rank)


def _turns(lines: Sequence[Line], slots: Slots) -> Iterable[tuple[int, int]]:
    """The (line, number in it) of one task after the other, as they start when those that run end
    in the order of their start."""
    order = sorted(slots.last_starts, key=lambda owner: slots.last_starts[owner])
    last_turn = {owner: turn for turn, owner in enumerate(order)}
    taken = Counter(slots.running_by_owner)
    by_start = sorted(taken, key=lambda owner: last_turn.get(owner, -1))
    running = deque(owner for owner in by_start for _ in range(taken[owner]))
    gone = [0] * len(lines)
    by_rank: dict[tuple[bool, int], list[int]] = {}
    for i, line in enumerate(lines):
        by_rank.setdefault(line.rank, []).append(i)

    def weigh(i: int) -> tuple[int, int, int]:
        line = lines[i]
        ids = line.first_ids
        oldest = ids[min(gone[i], len(ids) - 1)]
        return taken[line.owner_id], last_turn.get(line.owner_id, -1), oldest

    turn = len(order)
    at_once = slots.free
    started: list[int] = []
    for rank in sorted(by_rank):
        open_lines = by_rank[rank]
        while open_lines:
            if at_once > 0:
                at_once -= 1
            else:
                # What starts together had its turn at the same time.
                for owner in started:
                    last_turn[owner], turn = turn, turn + 1
                started.clear()
                if running:
                    taken[running.popleft()] -= 1
            best = min(open_lines, key=weigh)
            owner = lines[best].owner_id
            gone[best] += 1
            taken[owner] += 1
            running.append(owner)
            started.append(owner)
            yield best, gone[best]
            if gone[best] == lines[best].length:
                open_lines.remove(best)


_LINES = """
SELECT source_id, urgent, priority, owner_id, count(*),
    array_agg(id ORDER BY id) FILTER (WHERE turn <= %(first)s),
    array_agg(id ORDER BY id) FILTER (WHERE id = ANY(%(tasks)s)),
    array_agg(turn ORDER BY id) FILTER (WHERE id = ANY(%(tasks)s)),
    (SELECT last_start FROM core_serverturn
     WHERE server_id = waiting.source_id AND owner_id = waiting.owner_id)
FROM (
    SELECT task.id, task.source_id, job.urgent, weight.priority, job.owner_id, row_number() OVER (
        PARTITION BY task.source_id, job.urgent, weight.priority, job.owner_id
        ORDER BY task.id) AS turn
    FROM core_dicomtask AS task
    JOIN core_dicomjob AS job ON job.id = task.job_id
    JOIN (SELECT unnest(%(kinds)s::text[]) AS kind, unnest(%(urgent)s::boolean[]) AS urgent,
                 unnest(%(priorities)s::int[]) AS priority) AS weight
      ON weight.kind = job.kind AND weight.urgent = job.urgent
    WHERE task.state = 'PENDING' AND task.source_id = ANY(%(sources)s)
      AND job.state IN ('PENDING', 'IN_PROGRESS')
      AND (task.not_before IS NULL OR task.not_before <= statement_timestamp())
      AND (task.delivers_to_id IS NULL OR task.delivers_to_id <> ALL (
          CASE WHEN job.urgent THEN %(closed_for_urgent)s::bigint[] ELSE %(closed)s::bigint[] END))
) AS waiting
GROUP BY source_id, urgent, priority, owner_id
"""


def places_of(
    tasks: Collection[DicomTask],
    rules: Mapping[int, ServerRules],
    running: Mapping[int, Mapping[int, int]],
    suspended: Collection[str],
) -> dict[int, Place]:
    """The place of each of the tasks that may start, by its id.

    Args:
        rules, running, suspended: of all servers and kinds, as the dispatcher sees them.
    """
    found = _read_lines(tasks, rules, suspended)
    places: dict[int, Place] = {}
    for source_id, rows in found.items():
        server = rules.get(source_id)
        limit = server.limit if server else 1
        turns = {line.owner_id: last for line, _, last in rows if last is not None}
        slots = Slots(limit, running.get(source_id, {}), last_starts=turns)
        wanted = {
            (i, turn): pk for i, (_, numbers, _) in enumerate(rows) for pk, turn in numbers.items()
        }
        numbers = find_places([line for line, *_ in rows], slots, wanted)
        places |= {pk: numbers[key] for key, pk in wanted.items()}
    return places


def _read_lines(
    tasks: Collection[DicomTask], rules: Mapping[int, ServerRules], suspended: Collection[str]
) -> dict[int, list[tuple[Line, dict[int, int], datetime | None]]]:
    """All lines at the sources of the tasks, each with the numbers of those tasks in it by id, and
    when its owner last had a turn."""
    kinds = [kind for kind in all_kinds() if kind.key not in suspended]
    sources = list({task.source_id for task in tasks})
    values = {
        "kinds": [kind.key for kind in kinds] * 2,
        "urgent": [False] * len(kinds) + [True] * len(kinds),
        "priorities": [k.priority for k in kinds] + [k.urgent_priority for k in kinds],
        "sources": sources,
        "tasks": [task.pk for task in tasks],
        "first": max([1, *(rules[pk].limit for pk in sources if pk in rules)]),
        "closed": [pk for pk, rule in rules.items() if not rule.lets_start(urgent=False)],
        "closed_for_urgent": [pk for pk, rule in rules.items() if not rule.lets_start(urgent=True)],
    }
    found: dict[int, list[tuple[Line, dict[int, int], datetime | None]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_LINES, values)
        for source_id, *columns, ids, turns, last_start in cursor.fetchall():
            numbers: dict[int, int] = dict(zip(ids or (), turns or (), strict=True))
            found.setdefault(source_id, []).append((Line(*columns), numbers, last_start))
    return found

"""The place of waiting tasks in the queue, by the rules of the dispatcher.

Where workers have slots left, it is that in the queue of the source; where they are what is scarce,
it is that among all tasks that wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from adit.core.jobs.registry import all_kinds
from adit.core.jobs.servers import ServerRules
from adit.core.jobs.turns import Line, Slots, Turns
from adit.core.jobs.worker_slots import WorkerSlots
from adit.core.models import DicomTask

# So far turns are played through, and less far where many wait; who comes later is told about where
# he stands.
MOST_TURNS = 500
_MOST_WEIGHINGS = 100_000
_FEWEST_TURNS = 50


@dataclass(frozen=True)
class Place:
    """From 1. `exact`: unless something comes, goes or fails, so many tasks start before it."""

    number: int
    exact: bool = True


def find_places(
    lines: Sequence[Line],
    slots: Mapping[int, Slots],
    wanted: Iterable[tuple[int, int]],
    workers: int | None = None,
) -> dict[tuple[int, int], Place]:
    """Play through in which order tasks start (`turns.Turns`).

    Args:
        lines: all that wait at the servers.
        slots: of each server.
        wanted: (index of the line, number in the line from 1).
        workers: how many tasks all workers together take at once; None for as many as come.
    """
    wanted = set(wanted)
    if len({(line.owner_id, line.source_id) for line in lines}) < 2:
        return {(i, turn): Place(_above(lines, i) + turn) for i, turn in wanted}
    places: dict[tuple[int, int], Place] = {}
    most = min(MOST_TURNS, max(_FEWEST_TURNS, _MOST_WEIGHINGS // len(lines)))
    # Which of several running tasks ends first, nobody knows.
    free = sum(slot.free for slot in slots.values())
    at_once = sum(slot.limit for slot in slots.values())
    if workers is not None:
        free = min(free, max(1, workers - sum(map(_running, slots.values()))))
        at_once = min(at_once, workers)
    certain = MOST_TURNS if at_once == 1 else free
    for number, taken in enumerate(_play(lines, slots, workers), 1):
        if taken in wanted:
            places[taken] = Place(number, number <= certain)
        if number == most or len(places) == len(wanted):
            break
    for i, turn in wanted - places.keys():
        same = [line for line in lines if line.rank == lines[i].rank]
        number = _above(lines, i) + sum(min(line.length, turn) for line in same)
        places[i, turn] = Place(max(number, most + 1), exact=False)
    return places


def _running(slot: Slots) -> int:
    return sum(slot.running_by_owner.values())


def _above(lines: Sequence[Line], index: int) -> int:
    """How many tasks weigh more than those of a line."""
    return sum(line.length for line in lines if line.rank < lines[index].rank)


def _play(
    lines: Sequence[Line], slots: Mapping[int, Slots], workers: int | None
) -> Iterable[tuple[int, int]]:
    """The (line, number in it) of one task after the other, as they start when those that run end
    in the order of their start."""
    turns = Turns(lines, slots)
    running = deque(_in_order_of_start(slots))
    while True:
        has_room = workers is None or len(running) < workers
        if has_room and (taken := turns.take()):
            line = lines[taken[0]]
            running.append((line.source_id, line.owner_id))
            yield taken
        elif running:
            turns.end(*running.popleft())
        else:
            return


def _in_order_of_start(slots: Mapping[int, Slots]) -> list[tuple[int, int]]:
    """(source, owner) of each running task; what nobody knows the start of is the oldest."""
    running = [
        (slot.last_starts.get(owner_id), source_id, owner_id)
        for source_id, slot in slots.items()
        for owner_id, number in slot.running_by_owner.items()
        for _ in range(number)
    ]
    running.sort(key=lambda entry: entry[0].timestamp() if entry[0] else 0.0)
    return [(source_id, owner_id) for _, source_id, owner_id in running]


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
    workers: WorkerSlots,
) -> dict[int, Place]:
    """The place of each of the tasks that may start, by its id.

    Args:
        rules, running, suspended: of all servers and kinds, as the dispatcher sees them.
    """
    scarce = workers.are_scarce
    sources = list(rules) if scarce else list({task.source_id for task in tasks})
    lines, wanted, turns = _read_lines(tasks, rules, suspended, sources)
    slots = {
        pk: Slots(rules[pk].limit, running.get(pk, {}), last_starts=turns.get(pk, {}))
        for pk in sources
        if pk in rules
    }
    if scarce:
        places = find_places(lines, slots, wanted, workers.total)
        return {pk: places[key] for key, pk in wanted.items()}
    found: dict[int, Place] = {}
    for pk, slot in slots.items():
        here = [i for i, line in enumerate(lines) if line.source_id == pk]
        own = {(here.index(i), turn): task for (i, turn), task in wanted.items() if i in here}
        places = find_places([lines[i] for i in here], {pk: slot}, own)
        found |= {task: places[key] for key, task in own.items()}
    return found


def _read_lines(
    tasks: Collection[DicomTask],
    rules: Mapping[int, ServerRules],
    suspended: Collection[str],
    sources: Collection[int],
) -> tuple[list[Line], dict[tuple[int, int], int], dict[int, dict[int, datetime]]]:
    """All lines at the sources that may start; the ids of the tasks by (line, number in it); and by
    source when each owner last had a turn."""
    kinds = [kind for kind in all_kinds() if kind.key not in suspended]
    values = {
        "kinds": [kind.key for kind in kinds] * 2,
        "urgent": [False] * len(kinds) + [True] * len(kinds),
        "priorities": [k.priority for k in kinds] + [k.urgent_priority for k in kinds],
        "sources": list(sources),
        "tasks": [task.pk for task in tasks],
        "first": max([1, *(rules[pk].limit for pk in sources if pk in rules)]),
        "closed": [pk for pk, rule in rules.items() if not rule.lets_start(urgent=False)],
        "closed_for_urgent": [pk for pk, rule in rules.items() if not rule.lets_start(urgent=True)],
    }
    lines: list[Line] = []
    wanted: dict[tuple[int, int], int] = {}
    turns: dict[int, dict[int, datetime]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_LINES, values)
        for *columns, ids, numbers, last_start in cursor.fetchall():
            line = Line(*columns)
            rule = rules.get(line.source_id)
            if rule is None or not rule.lets_start(line.urgent):
                continue
            wanted |= {
                (len(lines), turn): pk for pk, turn in zip(ids or (), numbers or (), strict=True)
            }
            lines.append(line)
            if last_start is not None:
                turns.setdefault(line.source_id, {})[line.owner_id] = last_start
    return lines, wanted, turns

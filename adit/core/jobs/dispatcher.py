"""Hands waiting tasks to the queue: as many for each source server as it takes at once, in the
order in which workers are to take them, whatever the server.

What was handed over and not begun with yet is weighed anew each time. So a task that became urgent,
an owner who came later and has fewer at work, a server that was suspended, or hours that are over
take effect on it, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from django.db import connection, transaction
from django.db.models import QuerySet

from adit.core.jobs import queue
from adit.core.jobs.policy import Candidate, choose_tasks
from adit.core.jobs.queue_ranks import ranks
from adit.core.jobs.registry import all_kinds
from adit.core.jobs.servers import last_starts, rules_of, running_tasks, suspended_kinds
from adit.core.jobs.turns import Slots
from adit.core.models import DicomTask

# Key of the advisory lock that lets one dispatcher at a time decide, over all processes.
_DISPATCH_LOCK = 4127001

# Of each job at each source the first few are enough to choose from: one look into an index each,
# however many tasks wait.
_WAITING = """
SELECT task.id, job.owner_id, source.id, job.urgent, weight.priority, NULL, NULL,
    task.delivers_to_id
FROM core_dicomjob AS job
JOIN (SELECT unnest(%(kinds)s::text[]) AS kind, unnest(%(urgent)s::boolean[]) AS urgent,
             unnest(%(priorities)s::int[]) AS priority) AS weight
  ON weight.kind = job.kind AND weight.urgent = job.urgent
CROSS JOIN (SELECT unnest(%(sources)s::bigint[]) AS id, unnest(%(free)s::int[]) AS free) AS source
CROSS JOIN LATERAL (
    SELECT id, delivers_to_id FROM core_dicomtask
    WHERE job_id = job.id AND source_id = source.id AND state = 'PENDING' AND queued IS NULL
      AND (not_before IS NULL OR not_before <= statement_timestamp())
      AND (delivers_to_id IS NULL OR delivers_to_id <> ALL (
          CASE WHEN job.urgent THEN %(closed_for_urgent)s::bigint[] ELSE %(closed)s::bigint[] END))
    ORDER BY id LIMIT source.free
) AS task
WHERE job.state IN ('PENDING', 'IN_PROGRESS')
"""

_HANDED_OVER = """
SELECT task.id, job.owner_id, task.source_id, job.urgent, weight.priority, task.queue_job_id,
    row.priority, task.delivers_to_id
FROM core_dicomtask AS task
JOIN core_dicomjob AS job ON job.id = task.job_id
LEFT JOIN (SELECT unnest(%(kinds)s::text[]) AS kind, unnest(%(urgent)s::boolean[]) AS urgent,
                  unnest(%(priorities)s::int[]) AS priority) AS weight
  ON weight.kind = job.kind AND weight.urgent = job.urgent
LEFT JOIN procrastinate_jobs AS row ON row.id = task.queue_job_id
WHERE task.state = 'PENDING' AND task.queued IS NOT NULL
"""


def dispatch() -> int:
    """Hand what may run now to the queue; returns how many tasks that were.

    The queue row and the task's mark are written in one transaction.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_DISPATCH_LOCK])
        # In this order: what is claimed meanwhile is seen at least once, so no slot is given away
        # twice.
        weights = _weights()
        handed_over = _handed_over(weights)
        running = running_tasks()
        slots = _slots(running)
        candidates = [c for c in handed_over if c.priority is not None]
        candidates += _waiting(slots, weights)
        if len({candidate.owner_id for candidate in candidates}) > 1:
            turns = last_starts()
            slots = {pk: replace(s, last_starts=turns.get(pk, {})) for pk, s in slots.items()}
        chosen = choose_tasks(candidates, slots)
        stays = {candidate.task_id for candidate in chosen}
        gives_way = [c for c in handed_over if c.task_id not in stays]
        taken = _take_back(gives_way)
        # What could not be taken back runs, or is about to, and keeps its slot.
        kept = Counter(c.source_id for c in gives_way if c.task_id not in taken)
        return _hand_over(_without(chosen, kept))


def _slots(running: dict[int, dict[int, int]]) -> dict[int, Slots]:
    return {
        server_id: Slots(
            rules.limit,
            running.get(server_id, {}),
            rules.lets_start(urgent=False),
            rules.lets_start(urgent=True),
        )
        for server_id, rules in rules_of().items()
    }


def _weights() -> dict[str, list]:
    """The priorities of the kinds that are not suspended, as columns for a statement."""
    suspended = suspended_kinds()
    kinds = [kind for kind in all_kinds() if kind.key not in suspended]
    return {
        "kinds": [kind.key for kind in kinds] * 2,
        "urgent": [False] * len(kinds) + [True] * len(kinds),
        "priorities": [k.priority for k in kinds] + [k.urgent_priority for k in kinds],
    }


def _handed_over(weights: dict[str, list]) -> list[Candidate]:
    """What is in the queue and not begun with; without priority where its kind is suspended."""
    with connection.cursor() as cursor:
        cursor.execute(_HANDED_OVER, weights)
        return [Candidate(*row) for row in cursor.fetchall()]


def _waiting(slots: dict[int, Slots], weights: dict[str, list]) -> list[Candidate]:
    """The first few that wait, of each job at each source that has room."""
    free = {pk: slot.free for pk, slot in slots.items() if slot.free and slot.is_open_for_urgent}
    if not free:
        return []
    values = {
        **weights,
        "sources": list(free),
        "free": list(free.values()),
        "closed": [pk for pk, slot in slots.items() if not slot.is_open],
        "closed_for_urgent": [pk for pk, slot in slots.items() if not slot.is_open_for_urgent],
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, values)
        return [Candidate(*row) for row in cursor.fetchall()]


def _without(chosen: list[Candidate], kept: Counter[int]) -> list[Candidate]:
    """The chosen but for the last new ones at sources where others keep their slots."""
    left = []
    for candidate in reversed(chosen):
        if candidate.queue_job_id is None and kept[candidate.source_id] > 0:
            kept[candidate.source_id] -= 1
        else:
            left.append(candidate)
    return left[::-1]


def _locked(tasks: QuerySet[DicomTask], of: Sequence[str] = ()) -> QuerySet[DicomTask]:
    """Those that nobody has locked; the dispatcher waits for nobody."""
    return tasks.select_for_update(skip_locked=True, no_key=True, of=of)


def _take_back(candidates: Sequence[Candidate]) -> set[int]:
    """Take tasks out of the queue; returns which. One that a worker claims this very moment stays
    with it, and so do those of a job that somebody changes: who has a job locked may hold their
    rows of the queue, and would wait for the tasks that are locked here."""
    if not candidates:
        return set()
    tasks = DicomTask.objects.filter(
        pk__in=[c.task_id for c in candidates], state=DicomTask.State.PENDING
    )
    free = tasks.select_related("job").only("pk", "job__id").order_by("pk")
    taken = {task.pk for task in _locked(free, of=("self", "job"))}
    tasks = tasks.filter(pk__in=taken)
    queue.withdraw(tasks)
    tasks.update(queued=None, queue_job_id=None)
    return taken


_MARK = """
UPDATE core_dicomtask AS task SET queued = statement_timestamp(), queue_job_id = made.row
FROM (SELECT unnest(%s::bigint[]) AS id, unnest(%s::bigint[]) AS row) AS made
WHERE task.id = made.id
"""


def _hand_over(chosen: Sequence[Candidate]) -> int:
    """Put tasks into the queue, and all there into their order; returns how many are new."""
    wanted = ranks([(c.urgent, c.queue_rank) for c in chosen])
    queue.rank(
        {
            c.queue_job_id: rank
            for c, rank in zip(chosen, wanted, strict=True)
            if c.queue_rank not in (None, rank) and c.queue_job_id is not None
        }
    )
    new = {
        c.task_id: rank for c, rank in zip(chosen, wanted, strict=True) if c.queue_job_id is None
    }
    if not new:
        return 0
    # Who holds a row changes the task and calls the dispatcher afterwards.
    free = DicomTask.objects.filter(
        pk__in=list(new), state=DicomTask.State.PENDING, queued=None
    ).order_by()
    held = set(_locked(free).values_list("pk", flat=True))
    new = {pk: rank for pk, rank in new.items() if pk in held}
    if new:
        rows = queue.defer_tasks(list(new.items()))
        with connection.cursor() as cursor:
            cursor.execute(_MARK, [list(new), rows])
    return len(new)

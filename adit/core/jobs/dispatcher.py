"""Hands waiting tasks to the queue: as many for each source server as its limit allows."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from adit.core.jobs import queue
from adit.core.jobs.policy import Candidate, Slots, choose_tasks
from adit.core.jobs.registry import all_kinds
from adit.core.models import DicomServer, DicomTask

# Key of the advisory lock that lets one dispatcher at a time decide, over all processes.
_DISPATCH_LOCK = 4127001

# Of each owner at each source the first few are enough to choose from.
_WINDOW = """
SELECT id, owner_id, source_id, urgent, priority FROM (
    SELECT task.id, job.owner_id, task.source_id, job.urgent, weight.priority,
           row_number() OVER (PARTITION BY task.source_id, job.owner_id
                              ORDER BY job.urgent DESC, weight.priority DESC, task.id) AS place
    FROM core_dicomtask AS task
    JOIN core_dicomjob AS job ON job.id = task.job_id
    JOIN (SELECT unnest(%s::text[]) AS kind, unnest(%s::boolean[]) AS urgent,
                 unnest(%s::int[]) AS priority) AS weight
      ON weight.kind = job.kind AND weight.urgent = job.urgent
    WHERE task.state = 'PENDING' AND task.queued IS NULL
      AND job.state IN ('PENDING', 'IN_PROGRESS')
      AND (task.not_before IS NULL OR task.not_before <= statement_timestamp())
      AND task.source_id = ANY(%s)
) AS waiting WHERE place <= %s
"""


def dispatch() -> int:
    """Hand what may run now to the queue; returns how many tasks that were.

    The queue row and the task's mark are written in one transaction.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_DISPATCH_LOCK])
        slots = _slots()
        free = {source: slot for source, slot in slots.items() if slot.free}
        if not free:
            return 0
        chosen = choose_tasks(_candidates(free), free)
        for candidate in chosen:
            job_id = queue.defer_task(candidate.task_id, candidate.priority)
            DicomTask.objects.filter(pk=candidate.task_id).update(
                queued=timezone.now(), queue_job_id=job_id
            )
        return len(chosen)


def _slots() -> dict[int, Slots]:
    taken: dict[int, dict[int, int]] = {}
    rows = (
        DicomTask.objects.filter(state__in=["PENDING", "IN_PROGRESS"], queued__isnull=False)
        .values_list("source_id", "job__owner_id")
        .annotate(number=Count("id"))
    )
    for source_id, owner_id, number in rows:
        taken.setdefault(source_id, {})[owner_id] = number
    return {
        server_id: Slots(limit, taken.get(server_id, {}))
        for server_id, limit in DicomServer.objects.filter(is_suspended=False).values_list(
            "pk", "max_tasks"
        )
    }


def _candidates(slots: dict[int, Slots]) -> list[Candidate]:
    kinds = all_kinds()
    weights = [(k.key, False, k.priority) for k in kinds]
    weights += [(k.key, True, k.urgent_priority) for k in kinds]
    window = max(slot.free for slot in slots.values())
    with connection.cursor() as cursor:
        cursor.execute(
            _WINDOW, [*(list(c) for c in zip(*weights, strict=True)), list(slots), window]
        )
        return [Candidate(*row) for row in cursor.fetchall()]

"""Why tasks wait, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db.models.expressions import RawSQL
from django.utils import timezone

from adit.core.jobs.database_time import database_now
from adit.core.jobs.hours import Opening, all_open_at
from adit.core.jobs.places import Place, places_of
from adit.core.jobs.registry import get_kind
from adit.core.jobs.servers import ServerRules, rules_of, running_and_suspended
from adit.core.jobs.worker_slots import WorkerSlots, worker_slots
from adit.core.models import DicomJob, DicomTask
from adit.core.words import listed

_OPEN_JOBS = (DicomJob.State.PENDING, DicomJob.State.IN_PROGRESS)
_UNVERIFIED = "waits for verification by staff"


@dataclass(frozen=True, kw_only=True)
class WaitingFacts:
    """What holds of a waiting task, or of the next one of a job at a source.

    Attributes:
        source: name of the source server.
        suspended: names of those of its servers, source and destination, that take no new tasks.
        suspended_kind: the label of the task's kind where that is suspended.
        closed: names of those that are outside their hours now.
        opening: when all of them are open at once, from the earliest start on (`not_before`).
        in_use, limit: how many tasks the source has now, and how many it takes.
        place: that in the queue of the source, in the order in which the dispatcher takes tasks.
        not_before: when it may start at the earliest; None for at once.
        waits_for: what it waits for until then, where that is not its next attempt.
        workers: the slots of all workers.
    """

    source: str
    suspended: tuple[str, ...] = ()
    suspended_kind: str = ""
    closed: tuple[str, ...] = ()
    opening: Opening | None = None
    in_use: int = 0
    limit: int = 1
    place: Place = Place(1)
    not_before: datetime | None = None
    waits_for: str = ""
    workers: WorkerSlots = WorkerSlots(1)


def waiting_reason(facts: WaitingFacts, now: datetime) -> str:
    """The one reason that counts, the hardest first; of times that are known, the latest."""
    if facts.suspended_kind:
        return f"suspended: no new tasks of the kind {facts.suspended_kind} start"
    if facts.suspended:
        takes = "takes" if len(facts.suspended) == 1 else "take"
        return f"suspended: {listed(facts.suspended)} {takes} no new tasks"
    if facts.opening and facts.opening.held_up_by and (facts.closed or not facts.opening.at):
        return _outside_hours(facts.closed, facts.opening, now)
    if facts.not_before is not None and facts.not_before > now:
        # It may be outside the hours then.
        start = (facts.opening and facts.opening.at) or facts.not_before
        return facts.waits_for or retry_reason(start, now)
    workers = facts.workers
    if not workers.total:
        return "waits for a worker: none is running"
    place = f", {_position(facts.place)}" if facts.place.number > 1 else ""
    if facts.in_use >= facts.limit:
        return f"waits for {facts.source}: {facts.in_use} of {facts.limit} in use{place}"
    if workers.busy >= workers.total:
        return f"waits for a free worker: {workers.total} of {workers.total} busy{place}"
    return f"queued ({_position(facts.place)})"


def _position(place: Place) -> str:
    return f"{'' if place.exact else 'about '}position {place.number}"


def _outside_hours(closed: Sequence[str], opening: Opening, now: datetime) -> str:
    names, since = opening.held_up_by, _from(opening.at, now)
    if len(names) == 1:
        return f"{names[0]} is outside its hours{since}"
    if set(names) <= set(closed) and since:
        return f"{listed(names)} are outside their hours{since}"
    never = "" if since else "; their hours never meet"
    return f"{listed(names)} are not open at the same time{since}{never}"


def _from(opens_at: datetime | None, now: datetime) -> str:
    """`, from 20:00`, by the clock of the server; with the weekday where that is another day."""
    if opens_at is None:
        return ""
    days = (opens_at.date() - now.astimezone(opens_at.tzinfo).date()).days
    # The same weekday may be that of the next week.
    day = "%H:%M" if days == 0 else "%A %H:%M" if days < 7 else "%A, %Y-%m-%d, %H:%M"
    zone = "" if opens_at.utcoffset() == timezone.localtime(opens_at).utcoffset() else " %Z"
    return f", from {opens_at:{day}{zone}}"


def retry_reason(not_before: datetime | None, now: datetime) -> str:
    """`retry at 14:05`, with the date where that is another day."""
    if not_before is None or not_before <= now:
        return "queued"
    local, today = timezone.localtime(not_before), timezone.localtime(now)
    form = "%H:%M" if local.date() == today.date() else "%Y-%m-%d %H:%M"
    return f"retry at {local:{form}}"


def reasons_for_waiting(job: DicomJob, at_most: int = 3) -> list[str]:
    """Why the job's waiting tasks wait, one line per source; empty where none does."""
    if job.state == DicomJob.State.UNVERIFIED:
        return [_UNVERIFIED]
    tasks = next_tasks(job, at_most)
    reasons = reasons_for_tasks(tasks)
    return [reasons[task.pk] for task in tasks]


def next_tasks(job: DicomJob, at_most: int = 3) -> list[DicomTask]:
    """Of each source the task of an open job that comes next; for the first few sources."""
    if job.state not in _OPEN_JOBS:
        return []
    following = RawSQL(_NEXT_OF_JOB, (job.pk, job.pk, job.pk, at_most))
    tasks = list(DicomTask.objects.filter(pk__in=following).order_by("pk").defer("log"))
    for task in tasks:
        task.job = job
    return tasks


# Of each source the task that comes next: what may start now before what waits for a time. The
# first is the first of an index, however many tasks wait.
_NEXT_OF_JOB = """
SELECT coalesce(
    (SELECT id FROM core_dicomtask
     WHERE job_id = %s AND source_id = node.id AND state = 'PENDING'
       AND (not_before IS NULL OR not_before <= statement_timestamp())
     ORDER BY id LIMIT 1),
    (SELECT id FROM core_dicomtask
     WHERE job_id = %s AND source_id = node.id AND state = 'PENDING'
     ORDER BY not_before, id LIMIT 1)) AS next
FROM core_dicomnode AS node
WHERE EXISTS (SELECT 1 FROM core_dicomtask
              WHERE job_id = %s AND source_id = node.id AND state = 'PENDING')
ORDER BY node.id LIMIT %s
"""


def reasons_for_tasks(tasks: Iterable[DicomTask]) -> dict[int, str]:
    """Why each of the tasks waits, by id; only of those that do. Give a page of them, not all.

    The tasks carry their `job`; the number of statements does not depend on that of the tasks.
    """
    waiting = [task for task in tasks if task.state == DicomTask.State.PENDING]
    reasons = {
        task.pk: _UNVERIFIED for task in waiting if task.job.state == DicomJob.State.UNVERIFIED
    }
    others = [task for task in waiting if task.pk not in reasons]
    if others:
        rules = rules_of()
        now = next((rule.at for rule in rules.values()), None) or database_now()
        facts = _facts(others, rules)
        reasons |= {pk: waiting_reason(fact, now) for pk, fact in facts.items()}
    return reasons


def _facts(
    tasks: Collection[DicomTask], rules: Mapping[int, ServerRules]
) -> dict[int, WaitingFacts]:
    running, suspended = running_and_suspended()
    workers = worker_slots()
    places = places_of(tasks, rules, running, suspended, workers)
    facts = {}
    for task in tasks:
        server = rules.get(task.source_id) or _FOLDER
        kind = task.job.kind
        # A destination that is a folder is always open.
        ends = (server, rules.get(task.delivers_to_id or 0, server))
        with_hours = tuple(
            dict.fromkeys(e for e in ends if e.hours and not e.ignores_hours(task.job.urgent))
        )
        facts[task.pk] = WaitingFacts(
            source=server.name,
            suspended=tuple(dict.fromkeys(end.name for end in ends if end.suspended)),
            suspended_kind=get_kind(kind).label if kind in suspended else "",
            closed=tuple(end.name for end in with_hours if not end.is_open),
            opening=_opening(with_hours, task.not_before),
            in_use=sum(running.get(task.source_id, {}).values()),
            limit=server.limit,
            place=places.get(task.pk, Place(1)),
            not_before=task.not_before,
            waits_for=task.waits_for,
            workers=workers,
        )
    return facts


@lru_cache(maxsize=1000)
def _opening(ends: tuple[ServerRules, ...], not_before: datetime | None) -> Opening | None:
    """Many tasks wait for the same."""
    if not ends:
        return None
    now = ends[0].at
    assert now is not None
    first = now if not_before is None else max(now, not_before)
    return all_open_at({end.name: (end.hours, end.zone) for end in ends}, first)


# A source that is no server is never dispatched.
_FOLDER = ServerRules(
    name="its source, which is no server,",
    limit=1,
    suspended=True,
    is_open=True,
    urgent_ignores_hours=False,
)

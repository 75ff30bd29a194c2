"""Why a job's tasks wait, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from django.utils import timezone

from adit.core.jobs.registry import all_kinds
from adit.core.models import DicomJob, DicomServer, DicomTask

_OPEN_JOBS = (DicomJob.State.PENDING, DicomJob.State.IN_PROGRESS)


@dataclass(frozen=True, kw_only=True)
class WaitingFacts:
    """What holds of the waiting tasks of a job at one source.

    Attributes:
        in_use, limit: how many tasks the source has now, and how many it takes.
        position: the place of the job's next task in the queue of the source, from 1; 0 where
            all wait for a later attempt.
        not_before: when the first of those is due.
    """

    source: str
    suspended: bool = False
    in_use: int = 0
    limit: int = 1
    position: int = 0
    not_before: datetime | None = None


def waiting_reason(facts: WaitingFacts, now: datetime) -> str:
    """The one reason that counts, the hardest first."""
    if facts.suspended:
        return f"suspended: {facts.source} takes no new tasks"
    if not facts.position:
        return retry_reason(facts.not_before, now)
    if facts.in_use >= facts.limit:
        place = f", position {facts.position}" if facts.position > 1 else ""
        return f"waits for {facts.source}: {facts.in_use} of {facts.limit} in use{place}"
    return f"queued (position {facts.position})"


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
        return ["waits for verification by staff"]
    if job.state not in _OPEN_JOBS:
        return []
    now = timezone.now()
    return [waiting_reason(facts, now) for facts in waiting_facts(job, at_most)]


def waiting_facts(job: DicomJob, at_most: int) -> list[WaitingFacts]:
    """The facts per source, for the first few sources."""
    ready = Q(not_before=None) | Q(not_before__lte=Now())
    waiting = (
        DicomTask.objects.filter(job=job, state=DicomTask.State.PENDING)
        .order_by("source_id")
        .values("source_id", "source__name")
        .annotate(first=Min("id", filter=ready), due=Min("not_before", filter=~ready))
    )[:at_most]
    sources = {row["source_id"]: row for row in waiting}
    if not sources:
        return []
    servers = DicomServer.objects.in_bulk(list(sources))
    in_use: dict[int, int] = dict(
        DicomTask.objects.filter(state=DicomTask.State.IN_PROGRESS, source_id__in=sources)
        .order_by()
        .values_list("source_id")
        .annotate(number=Count("id"))
    )
    facts = []
    for source_id, row in sources.items():
        server = servers.get(source_id)
        facts.append(
            WaitingFacts(
                source=row["source__name"],
                suspended=bool(server and server.is_suspended),
                in_use=in_use.get(source_id, 0),
                limit=server.max_tasks if server else 1,
                position=_position(job, source_id, row["first"]) if row["first"] else 0,
                not_before=row["due"],
            )
        )
    return facts


def _position(job: DicomJob, source_id: int, task_id: int) -> int:
    """The place of a task in the order of urgency, priority and age (fairness may change it)."""
    weights = {(kind.key, False): (False, kind.priority) for kind in all_kinds()}
    weights |= {(kind.key, True): (True, kind.urgent_priority) for kind in all_kinds()}
    own = weights[job.kind, job.urgent]
    ahead = Q(pk=None)
    for (kind, urgent), weight in weights.items():
        same = Q(job__kind=kind, job__urgent=urgent)
        if weight > own:
            ahead |= same
        elif weight == own:
            ahead |= same & Q(pk__lt=task_id)
    return (
        1
        + DicomTask.objects.filter(
            ahead,
            Q(not_before=None) | Q(not_before__lte=Now()),
            source_id=source_id,
            state=DicomTask.State.PENDING,
            job__state__in=_OPEN_JOBS,
        ).count()
    )

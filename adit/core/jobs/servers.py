"""What holds of source servers now: limits, hours, what is suspended."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from django.conf import settings
from django.db import connection
from django.db.models import Count
from django.db.models.functions import Now

from adit.core.jobs.hours import Hours, is_open
from adit.core.models import DicomServer, DicomTask, JobKindSettings, ServerTurn


@dataclass(frozen=True, kw_only=True)
class ServerRules:
    """What a server allows at a certain time.

    Attributes:
        limit: tasks at once.
        is_open: whether the time lies in its hours.
        hours, zone: these hours, and the clock that they follow; none: it is open at any time.
        at: that time, by the clock of the database; None for what is no server.
    """

    name: str
    limit: int
    suspended: bool
    is_open: bool
    urgent_ignores_hours: bool
    hours: tuple[Hours, ...] = ()
    zone: tzinfo = UTC
    at: datetime | None = None

    def lets_start(self, urgent: bool) -> bool:
        """Whether a task may start, but for the number of tasks at once."""
        return not self.suspended and (self.is_open or self.ignores_hours(urgent))

    def ignores_hours(self, urgent: bool) -> bool:
        """Whether such a task may start at any hour."""
        return urgent and self.urgent_ignores_hours


def rules_of(server_ids: Collection[int] | None = None) -> dict[int, ServerRules]:
    """The rules of the servers (of all without `server_ids`) now, in one statement."""
    servers = DicomServer.objects.order_by("pk")
    if server_ids is not None:
        servers = servers.filter(pk__in=server_ids)
    own = ("name", "max_tasks", "is_suspended", "time_zone", "urgent_ignores_hours")
    hours: dict[int, list[Hours]] = {}
    found = {}
    # A server comes once for each of its hours, and once without where it has none.
    for pk, weekdays, since, until, *columns in servers.values_list(
        "pk", "hours__weekdays", "hours__since", "hours__until", *own, Now()
    ):
        found[pk] = columns
        if weekdays is not None:
            hours.setdefault(pk, []).append(Hours(frozenset(weekdays), since, until))
    rules = {}
    for pk, (name, limit, suspended, zone_name, urgent_ignores_hours, now) in found.items():
        zone = _zone(zone_name)
        rules[pk] = ServerRules(
            name=name,
            at=now,
            limit=limit,
            suspended=suspended,
            is_open=is_open(hours.get(pk, ()), now, zone),
            hours=tuple(hours.get(pk, ())),
            zone=zone,
            urgent_ignores_hours=urgent_ignores_hours,
        )
    return rules


def _zone(name: str) -> tzinfo:
    return zoneinfo.ZoneInfo(name or settings.TIME_ZONE)


def suspended_kinds() -> set[str]:
    """The kinds of jobs of which nothing new is to start."""
    return set(JobKindSettings.objects.filter(is_suspended=True).values_list("kind", flat=True))


def running_tasks() -> dict[int, dict[int, int]]:
    """How many tasks run, by source and by owner."""
    # Who runs has a lease: there is an index on those few rows.
    rows = (
        DicomTask.objects.filter(lease__isnull=False)
        .order_by()
        .values_list("source_id", "job__owner_id")
        .annotate(number=Count("id"))
    )
    running: dict[int, dict[int, int]] = {}
    for source_id, owner_id, number in rows:
        running.setdefault(source_id, {})[owner_id] = number
    return running


_IN_USE = """
SELECT task.source_id, job.owner_id, count(*), NULL
FROM core_dicomtask AS task JOIN core_dicomjob AS job ON job.id = task.job_id
WHERE task.lease IS NOT NULL GROUP BY task.source_id, job.owner_id
UNION ALL SELECT NULL, NULL, NULL, kind FROM core_jobkindsettings WHERE is_suspended
"""


def running_and_suspended() -> tuple[dict[int, dict[int, int]], set[str]]:
    """`running_tasks` and `suspended_kinds` in one statement."""
    running: dict[int, dict[int, int]] = {}
    suspended = set()
    with connection.cursor() as cursor:
        cursor.execute(_IN_USE)
        for source_id, owner_id, number, kind in cursor.fetchall():
            if kind is None:
                running.setdefault(source_id, {})[owner_id] = number
            else:
                suspended.add(kind)
    return running, suspended


def last_starts() -> dict[int, dict[int, datetime]]:
    """When a task last started, by source and by owner."""
    found: dict[int, dict[int, datetime]] = {}
    rows = ServerTurn.objects.values_list("server_id", "owner_id", "last_start")
    for server_id, owner_id, last_start in rows:
        found.setdefault(server_id, {})[owner_id] = last_start
    return found

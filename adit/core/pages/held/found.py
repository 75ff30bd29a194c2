"""What is held, for lists and pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from adit.core.jobs.actions.held import held_key
from adit.core.models import SeriesTransfer
from adit.core.models.records import InstanceRecord, InstanceState, decode_records
from adit.core.pages.profiles.shown_preview import finding_words
from adit.core.transfer.transform import HELD_AGAIN


@dataclass(frozen=True)
class HeldInstance:
    """A held instance. `number` counts the instances of the series in the ledger's order."""

    key: str
    number: int


@dataclass(frozen=True)
class HeldGroup:
    """Instances of a series that are held for the same findings.

    Attributes:
        again: staff released them before, with other content.
    """

    findings: tuple[str, ...]
    reason: str
    instances: list[HeldInstance]

    @property
    def again(self) -> bool:
        return self.reason.startswith(HELD_AGAIN)

    @property
    def words(self) -> list[str]:
        """The findings for people; the reason where none are recorded."""
        return [finding_words(finding) for finding in self.findings] or [self.reason]


def held_count() -> int:
    """How many instances are held over all tasks."""
    return series_with_held().aggregate(number=Sum("held"))["number"] or 0


def series_with_held() -> QuerySet[SeriesTransfer]:
    """The rows of the ledger with something held, the newest first."""
    return SeriesTransfer.objects.filter(held__gt=0).order_by("-id")


def held_groups(row: SeriesTransfer) -> list[HeldGroup]:
    """What is held of a series, by what was found."""
    groups: dict[tuple[tuple[str, ...], bool], HeldGroup] = {}
    for number, record in enumerate(decode_records(row.instances), start=1):
        if record.state is not InstanceState.HELD:
            continue
        group = HeldGroup(record.findings, record.reason, [])
        group = groups.setdefault((group.findings, group.again), group)
        group.instances.append(HeldInstance(held_key(row.pk, record), number))
    return sorted(groups.values(), key=lambda group: -len(group.instances))


def held_record(row: SeriesTransfer, key: str) -> tuple[int, InstanceRecord] | None:
    """The number (as in `HeldInstance`) and record of a held instance, if it is still held."""
    for number, record in enumerate(decode_records(row.instances), start=1):
        if record.state is InstanceState.HELD and held_key(row.pk, record) == key:
            return number, record
    return None


def with_groups(rows: Iterable[Any]) -> list[Any]:
    """Give each row its `groups`."""
    decorated = list(rows)
    for row in decorated:
        row.groups = held_groups(row)
    return decorated

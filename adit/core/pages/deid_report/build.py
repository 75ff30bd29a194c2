"""Gathers the report of a job from its ledger. It holds no value of any attribute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from adit.core.deid import BurnedInPolicy
from adit.core.jobs.registry import concrete_job, get_kind
from adit.core.models import DeidProfile, DicomJob, SeriesTransfer
from adit.core.models.records import InstanceState, decode_records
from adit.core.pages.profiles.shown_preview import finding_words
from adit.core.pages.profiles.words import BURNED_IN, OPTIONS, action_words
from adit.core.transfer.deid_counts import DeidCounts

_AT_ONCE = 200


@dataclass
class DeidReport:
    """What was done to the instances of a job.

    Attributes:
        profile: None where the job changes nothing on the way.
        counts: over the instances that were sent.
        held: numbers of instances that are held, by what was found; one may be in several.
        released: numbers of instances that staff released, by what they were released with.
        held_instances: how many are held.
        released_instances: how many were released.
        discarded: how many instances staff discarded.
        excluded: numbers of instances left behind, by reason.
        failed: how many instances could not be de-identified or delivered.
    """

    job: DicomJob
    profile: DeidProfile | None
    tasks: int = 0
    series: int = 0
    expected: int = 0
    confirmed: int = 0
    counts: DeidCounts = field(default_factory=DeidCounts)
    held: Counter[str] = field(default_factory=Counter)
    held_instances: int = 0
    released: Counter[str] = field(default_factory=Counter)
    released_instances: int = 0
    discarded: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    failed: int = 0

    @property
    def excluded_instances(self) -> int:
        """Without those that staff discarded."""
        return sum(self.excluded.values())

    @property
    def options(self) -> list[str]:
        assert self.profile is not None
        chosen = self.profile.options
        return [words.name for option, words in OPTIONS.items() if option.value in chosen]

    @property
    def burned_in(self) -> str:
        assert self.profile is not None
        return BURNED_IN[BurnedInPolicy(self.profile.burned_in)].name

    @property
    def actions(self) -> list[tuple[str, int]]:
        """Numbers of elements by what was done to them, in words, the largest first."""
        words: Counter[str] = Counter()
        for action, number in self.counts.actions.items():
            words[action_words(action)] += number
        return words.most_common()

    # Templates look a name up in a Counter before they ask for its methods.
    @property
    def held_rows(self) -> list[tuple[str, int]]:
        return self.held.most_common()

    @property
    def released_rows(self) -> list[tuple[str, int]]:
        return self.released.most_common()

    @property
    def excluded_rows(self) -> list[tuple[str, int]]:
        return self.excluded.most_common()

    @property
    def unknown(self) -> list[tuple[str, int]]:
        return sorted(self.counts.unknown.items())

    @property
    def state_words(self) -> str:
        return self.job.get_state_display()  # type: ignore[attr-defined]


def deid_report(job: DicomJob) -> DeidReport:
    """The report as the ledger stands now."""
    concrete: Any = concrete_job(job)
    report = DeidReport(job, getattr(concrete, "profile", None), tasks=job.tasks.count())
    for row in _rows(job):
        report.series += 1
        report.expected += row.expected
        report.confirmed += row.confirmed
        report.failed += row.failed
        report.held_instances += row.held
        report.released_instances += row.released
        report.discarded += row.discarded
        report.counts.add(DeidCounts.from_json(row.deid_counts))
    for row in _rows(job, with_instances=True):
        _add_instances(report, row)
    return report


def _rows(job: DicomJob, *, with_instances: bool = False) -> Iterator[SeriesTransfer]:
    """All series, or those of which single instances have something to tell."""
    rows = SeriesTransfer.objects.filter(task__job=job).order_by("id")
    if with_instances:
        telling = Q(held__gt=0) | Q(released__gt=0) | Q(excluded__gt=0) | Q(discarded__gt=0)
        return rows.filter(telling).iterator(_AT_ONCE)
    return rows.defer("instances").iterator(_AT_ONCE)


def _add_instances(report: DeidReport, row: SeriesTransfer) -> None:
    listed = 0
    for record in decode_records(row.instances):
        listed += 1
        if record.state is InstanceState.HELD:
            for words in _words(record.findings) or [record.reason]:
                report.held[words] += 1
        elif record.state is InstanceState.EXCLUDED and not record.discarded:
            report.excluded[record.reason or row.reason] += 1
        for words in _words(record.accepted):
            report.released[words] += 1
    if row.reason and not listed:
        # Of a series that was left behind as a whole the source told the number only.
        report.excluded[row.reason] += row.excluded


def _words(findings: tuple[str, ...]) -> list[str]:
    return [finding_words(finding) for finding in findings]


def report_json(report: DeidReport) -> dict[str, Any]:
    """The report for machines."""
    job, profile = report.job, report.profile
    return {
        "job": job.pk,
        "kind": get_kind(job.kind).key,
        "state": job.state,
        "start": job.start.isoformat() if job.start else None,
        "end": job.end.isoformat() if job.end else None,
        "profile": profile
        and {
            "name": profile.name,
            "version": profile.version,
            "options": profile.options,
            "whole_weeks": profile.whole_weeks,
            "excluded_modalities": profile.excluded_modalities,
            "burned_in": profile.burned_in,
            "leak_gate": profile.leak_gate,
            "own_rules": profile.own_rules,
            "safe_private": profile.safe_private,
            "device_regions": profile.device_regions,
        },
        "tasks": report.tasks,
        "series": report.series,
        "expected": report.expected,
        "confirmed": report.confirmed,
        "deidentified": report.counts.instances,
        "actions": dict(sorted(report.counts.actions.items())),
        "held": report.held_instances,
        "held_for": dict(report.held),
        "released": report.released_instances,
        "released_with": dict(report.released),
        "discarded": report.discarded,
        "excluded": report.excluded_instances,
        "excluded_because": dict(report.excluded),
        "failed": report.failed,
        "unknown": dict(report.unknown),
    }

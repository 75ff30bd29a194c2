"""A preview of the engine as pages show it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from adit.core.deid import Finding, FindingKind, Preview, PreviewRow

from .words import action_words

STATUSES = {"changed": "Changed", "removed": "Removed", "kept": "Kept", "new": "Added"}

KINDS = {
    FindingKind.PATIENT_ID: "the patient's ID",
    FindingKind.PATIENT_NAME: "a part of the patient's name",
    FindingKind.BIRTH_DATE: "the birth date",
    FindingKind.OLD_AGE: "an age over 89",
    FindingKind.ORIGINAL_DATE: "a date of the study as it was",
    FindingKind.ACCESSION_NUMBER: "the accession number",
    FindingKind.ADDRESS: "an address of the patient",
    FindingKind.PHONE: "a telephone number of the patient",
    FindingKind.ORIGINAL_UID: "a UID of the source",
    FindingKind.BURNED_IN: "possibly text in the pixels, or a document nobody can check",
    FindingKind.RULE_VIOLATION: "something that the profile forbids",
    FindingKind.UNCHECKED: "so much escaped or foreign text that not all of it was checked",
}

_FINDING = re.compile(r"(?P<kind>\w+) in \((?P<group>[0-9A-F]{4}),(?P<element>[0-9A-F]{4})\)")
# So many rows stand around a finding on each side.
_AROUND = 3
SHOWN_ROWS = 1000
SHOWN_NAMES = 100


@dataclass(frozen=True)
class RuleCount:
    """How many attributes of the object one rule met, by what happened to them."""

    rule: str
    total: int
    by_status: list[tuple[str, int]]


@dataclass(frozen=True)
class ShownRow:
    """A row of a preview, with what happened in one word."""

    row: PreviewRow
    status: str
    is_finding: bool

    @property
    def status_words(self) -> str:
        return STATUSES[self.status]

    @property
    def action_words(self) -> str:
        return action_words(self.row.action)

    @property
    def indent(self) -> int:
        """Levels that a page shows; deeper ones look alike."""
        return min(self.row.depth, 4)


@dataclass(frozen=True)
class ShownPreview:
    """A preview with its rows, findings in words, and counts per status and rule.

    Attributes:
        rows: At most `SHOWN_ROWS`; of large objects those with findings, and of every rule some.
        total: Rows of the whole object, which the counts are about.
        more_findings: Findings beyond those listed; the same for unknown names.
    """

    rows: list[ShownRow]
    findings: list[str]
    excluded: str
    unknown: list[tuple[str, int]]
    total: int = 0
    counts: list[tuple[str, str, int]] = field(default_factory=list)
    rules: list[RuleCount] = field(default_factory=list)
    more_findings: int = 0
    more_unknown: int = 0

    @property
    def left_out(self) -> int:
        """Rows that are not shown."""
        return self.total - len(self.rows)


def shown(preview: Preview) -> ShownPreview:
    """The whole preview."""
    rows = shown_rows(preview)
    return _of_rows(preview, rows, rows if len(rows) <= SHOWN_ROWS else _some_of_each_rule(rows))


def shown_rows(preview: Preview) -> list[ShownRow]:
    """All rows, however many."""
    tags = {finding.tag for finding in preview.findings}
    return [_shown_row(row, tags) for row in preview.rows]


def _of_rows(preview: Preview, rows: list[ShownRow], some: list[ShownRow]) -> ShownPreview:
    statuses = Counter(row.status for row in rows)
    findings = list(dict.fromkeys(finding_words(str(finding)) for finding in preview.findings))
    unknown = sorted(preview.unknown.items())
    return ShownPreview(
        some,
        findings[:SHOWN_NAMES],
        preview.excluded,
        unknown[:SHOWN_NAMES],
        total=len(rows),
        counts=[(status, words, statuses[status]) for status, words in STATUSES.items()],
        rules=_rules(rows),
        more_findings=max(0, len(findings) - SHOWN_NAMES),
        more_unknown=max(0, len(unknown) - SHOWN_NAMES),
    )


def _rules(rows: list[ShownRow]) -> list[RuleCount]:
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.row.rule, Counter())[row.status] += 1
    found = [
        RuleCount(rule, by.total(), [(STATUSES[status], number) for status, number in by.items()])
        for rule, by in counts.items()
    ]
    return sorted(found, key=lambda count: (-count.total, count.rule))


def _some_of_each_rule(rows: list[ShownRow]) -> list[ShownRow]:
    """As many rows as are shown: those with findings, then of each rule its first ones.

    Rules about few attributes come whole, so that thousands of private elements hide nothing.
    """
    by_rule: dict[str, list[int]] = {}
    chosen = {i for i, row in enumerate(rows) if row.is_finding}
    chosen = set(sorted(chosen)[:SHOWN_ROWS])
    for i, row in enumerate(rows):
        if not row.is_finding:
            by_rule.setdefault(row.row.rule, []).append(i)
    left = SHOWN_ROWS - len(chosen)
    ascending = sorted(by_rule.values(), key=len)
    for position, places in enumerate(ascending):
        share = places[: left // (len(ascending) - position)]
        chosen.update(share)
        left -= len(share)
    return [rows[i] for i in sorted(chosen)]


def around_findings(preview: Preview, findings: Collection[str]) -> ShownPreview:
    """The rows in which something was found, earlier or now, with their neighbours."""
    tags = {finding.tag for finding in preview.findings}
    tags |= {tag for finding in findings if (tag := tag_of(finding)) is not None}
    rows = [_shown_row(row, tags) for row in preview.rows]
    hits = [i for i, row in enumerate(rows) if row.is_finding]
    near = {j for i in hits for j in range(i - _AROUND, i + _AROUND + 1)}
    return _of_rows(preview, rows, [row for i, row in enumerate(rows) if i in near][:SHOWN_ROWS])


def tag_of(finding: str) -> int | None:
    """The tag in the text of a finding."""
    match = _FINDING.match(finding)
    return int(match["group"] + match["element"], 16) if match else None


def finding_words(finding: str | Finding) -> str:
    """`patient_name in (0008,1030) StudyDescription` for people."""
    kind, _, place = str(finding).partition(" in ")
    known = kind in set(FindingKind)
    words = KINDS.get(FindingKind(kind), kind) if known else kind.replace("_", " ")
    return f"{place}: {words}" if place else words


def _shown_row(row: PreviewRow, tags: Collection[int]) -> ShownRow:
    return ShownRow(row, _status(row), _number(row.tag) in tags)


def _status(row: PreviewRow) -> str:
    action = str(row.action)
    if action == "remove":
        return "removed"
    if action == "write" and not row.before:
        return "new"
    if row.before == row.after and action in ("keep", "clean", "shift", "replace_uid", "write"):
        return "kept"
    return "kept" if action == "keep" else "changed"


def _number(tag: str) -> int:
    return int(re.sub(r"[^0-9A-Fa-f]", "", tag) or "0", 16)


def search_text(row: ShownRow) -> str:
    """What the filter of the page searches; values are searched as well."""
    one: Any = row.row
    parts = (one.tag, one.keyword, one.name, one.before, one.after, one.rule)
    return " ".join(parts).casefold()

"""A preview of the engine as pages show it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
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
}

_FINDING = re.compile(r"(?P<kind>\w+) in \((?P<group>[0-9A-F]{4}),(?P<element>[0-9A-F]{4})\)")
# So many rows stand around a finding on each side.
_AROUND = 3


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
    """A preview with its rows, findings in words, and counts per status."""

    rows: list[ShownRow]
    findings: list[str]
    excluded: str
    unknown: list[tuple[str, int]]

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        found = Counter(row.status for row in self.rows)
        return [(status, words, found[status]) for status, words in STATUSES.items()]


def shown(preview: Preview) -> ShownPreview:
    """The whole preview."""
    tags = {finding.tag for finding in preview.findings}
    return ShownPreview(
        [_shown_row(row, tags) for row in preview.rows],
        list(dict.fromkeys(finding_words(str(finding)) for finding in preview.findings)),
        preview.excluded,
        sorted(preview.unknown.items()),
    )


def around_findings(preview: Preview, findings: Collection[str]) -> ShownPreview:
    """The rows in which something was found, earlier or now, with their neighbours."""
    tags = {finding.tag for finding in preview.findings}
    tags |= {tag for finding in findings if (tag := tag_of(finding)) is not None}
    rows = [_shown_row(row, tags) for row in preview.rows]
    hits = [i for i, row in enumerate(rows) if row.is_finding]
    near = {j for i in hits for j in range(i - _AROUND, i + _AROUND + 1)}
    whole = shown(preview)
    return ShownPreview(
        [row for i, row in enumerate(rows) if i in near],
        whole.findings,
        whole.excluded,
        whole.unknown,
    )


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

"""Receipts as CSV: a row for each instance and each file, signed at the end.

The last column holds a seal of the row, the two last rows the head and the signature; they begin
with `#`, so that programs can leave them out. Text that a spreadsheet would take for a formula gets
an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from adit.core.pages.receipt_content import Fields, ReceiptContent
from adit.core.pages.receipt_seals import ALGORITHM, Seal, canonical, signing_key

HEAD_MARK = "#receipt"
SIGNATURE_MARK = "#signature"

_COLUMNS = (
    "job",
    "task",
    "source",
    "destination",
    "pseudonym",
    "series_number",
    "modality",
    "series_instance_uid",
    "sop_instance_uid",
    "file",
    "state",
    "size",
    "sha256_sent",
    "reason",
)
_SOURCE_COLUMNS = (
    "source_patient_id",
    "source_study_instance_uid",
    "source_series_instance_uid",
    "description",
    "source_sop_instance_uid",
    "sha256_received",
)
SEAL_COLUMN = "seal"


def as_text(value: object) -> str:
    """A cell; what a spreadsheet might run becomes text."""
    text = "" if value is None else str(value)
    if text[:1] in ("=", "+", "-", "@", "\t", "\r", "#"):
        return "'" + text
    return text


def csv_lines(head: Fields, contents: Iterable[ReceiptContent]) -> Iterator[str]:
    """The receipts of one or more tasks, row by row; `head` is that of the whole."""
    columns = [*_COLUMNS, *(_SOURCE_COLUMNS if head["shows_source"] else ())]
    key = signing_key()
    seal = Seal(key)
    seal.add(head)
    header = [*columns, SEAL_COLUMN]
    seal.add(header)
    yield _line(header)
    for content in contents:
        for fields in _rows(content):
            row = [as_text(fields.get(column)) for column in columns]
            yield _line([*row, seal.add(row)])
    yield _line([HEAD_MARK, canonical(head).decode(errors="replace")])
    yield _line([SIGNATURE_MARK, ALGORITHM, key.id, seal.signature()])


def _rows(content: ReceiptContent) -> Iterator[Fields]:
    head = content.head
    shared = {name: head.get(name) for name in (*_COLUMNS[:5], *_SOURCE_COLUMNS[:2])}
    for series in content.items:
        base = {**shared, **{k: v for k, v in series.items() if k in _SERIES_FIELDS}}
        if not series["instances"]:
            yield {**base, "state": series["state"].lower()}
        for instance in series["instances"]:
            yield {**base, **instance, "reason": instance["reason"] or ""}
        for file in series.get("files", ()):
            yield {
                **base,
                "reason": "",
                "file": file["name"],
                "state": "written",
                "size": file["size"],
                "sha256_sent": file["sha256"],
            }


_SERIES_FIELDS = (
    "series_number",
    "modality",
    "series_instance_uid",
    "source_series_instance_uid",
    "description",
    "reason",
)


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()

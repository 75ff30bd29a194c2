"""What the database holds now of what a receipt tells, to say what was changed in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from adit.core.models import DicomJob, DicomTask
from adit.core.pages.receipt_content import Fields, ReceiptContent, job_content, task_content
from adit.core.pages.receipt_csv import csv_lines
from adit.core.pages.source_view import IDENTIFIERS_PERMISSION


class _Reader:
    """Sees what the reader for whom the receipt was made has seen."""

    def __init__(self, shows_source: bool) -> None:
        self._shows_source = shows_source

    def has_perm(self, permission: str) -> bool:
        return permission == IDENTIFIERS_PERMISSION and self._shows_source


class Recorded:
    """A receipt made anew."""

    def __init__(self, reader: Any, job: DicomJob, task: DicomTask | None, issued: str) -> None:
        self._reader = reader
        self._job = job
        self._task = task
        self._issued = issued
        content = self._content()
        self.head: Fields = content.head
        self._items = list(content.items)

    def _content(self) -> ReceiptContent:
        if self._task is not None:
            return task_content(self._reader, self._task, self._job.kind, self._issued)
        return job_content(self._reader, self._job, self._issued)

    def item(self, number: int) -> Fields | None:
        return self._items[number] if number < len(self._items) else None

    def rows(self) -> Iterator[list[str]]:
        """The rows of the CSV without their seals, the names of the columns first."""
        from adit.core.pages.receipt_views import task_contents

        contents = (
            [self._content()]
            if self._task is not None
            else task_contents(self._reader, self._job, self._issued)
        )
        for number, line in enumerate(csv_lines(self.head, contents)):
            (row,) = csv.reader(io.StringIO(line, newline=""))
            if row and row[0].startswith("#"):
                return
            yield row if number == 0 else row[:-1]


def recorded(head: Fields) -> Recorded | None:
    """What is recorded of the task or job that a receipt says to be of; None if nothing is."""
    kind = head.get("receipt")
    number = head.get(kind) if kind in ("task", "job") else None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 62:
        return None
    reader = _Reader(bool(head.get("shows_source")))
    issued = str(head.get("issued", ""))
    if kind == "task":
        task = DicomTask.objects.select_related("job").filter(pk=number).first()
        return Recorded(reader, task.job, task, issued) if task else None
    job = DicomJob.objects.select_related("owner").filter(pk=number).first()
    return Recorded(reader, job, None, issued) if job else None

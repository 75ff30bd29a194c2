"""The table of a job's tasks as a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from adit.core.jobs.actions import action_done
from adit.core.models import DicomJob
from adit.core.pages.errors import not_allowed
from adit.core.pages.job_detail import visible_job
from adit.core.pages.source_view import as_seen, may_see_source
from adit.core.pages.task_table import TaskChoices, chosen_tasks
from adit.core.words import counted

COLUMNS = (
    "row",
    "state",
    "patient_id",
    "pseudonym",
    "study_date",
    "modalities",
    "study_description",
    "study_instance_uid",
    "source",
    "destination",
    "protocol",
    "attempts",
    "instances_expected",
    "instances_done",
    "bytes_done",
    "message",
    "start",
    "end",
)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# XML 1.0 2.2: characters that a sheet cannot hold.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows_of(user: Any, tasks: Iterable[Any]) -> Iterator[list[str | int]]:
    """A row of `COLUMNS` for each task. Times are ISO 8601 with their zone. What leads back to the
    source is empty where the reader may not see it."""
    for task in tasks:
        seen = as_seen(task, may_see_source(user, getattr(task, "pseudonym", "")))
        yield [_value(seen, name) for name in COLUMNS]


def _value(task: Any, name: str) -> str | int:
    value: Any = getattr(task, "line" if name == "row" else name, "")
    if name in ("start", "end"):
        return timezone.localtime(value).isoformat(timespec="seconds") if value else ""
    if name == "modalities":
        return ", ".join(value or [])
    if name in ("source", "destination"):
        return getattr(value, "name", "")
    if isinstance(value, int):
        return value
    return _FORBIDDEN.sub("", str(value if value is not None else ""))


def as_text(value: str | int) -> str | int:
    """Text that a spreadsheet would take for a formula, marked as text by an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def csv_text(rows: Iterable[list[str | int]]) -> str:
    """RFC 4180, with a byte order mark, by which Excel knows UTF-8."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    writer.writerows([as_text(value) for value in row] for row in rows)
    return buffer.getvalue()


def workbook(rows: Iterable[list[str | int]]) -> bytes:
    """One sheet; every text is a text cell, whatever it begins with."""
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet("Tasks")
    sheet.freeze_panes = "A2"
    sheet.append(list(COLUMNS))
    for row in rows:
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value=value)
            if isinstance(value, str) and value:
                cell.data_type = "s"
                if value.startswith(_FORMULA):
                    # Stays text also when somebody edits the cell.
                    cell.quotePrefix = True  # type: ignore[attr-defined]
            cells.append(cell)
        sheet.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


_WRITERS: dict[str, tuple[str, Callable[[Iterable[list[str | int]]], str | bytes]]] = {
    "csv": ("text/csv; charset=utf-8", csv_text),
    "xlsx": (XLSX, workbook),
}


@login_required
def task_export(request: HttpRequest, job_id: int, form: str) -> HttpResponse:
    """The tasks that the table shows, all pages of them, as `csv` or `xlsx`. A POST, for the
    search may be a patient ID."""
    job = visible_job(request.user, job_id)
    if request.method != "POST":
        text = "The address of an export alone does not say what is to be in it."
        return not_allowed(request, text, "Export the table on the page of the job.", job)
    choices = TaskChoices.from_request(request, job_id)
    if form not in _WRITERS:
        raise Http404
    content_type, write = _WRITERS[form]
    rows = _announced(request.user, job, choices, form)
    response = HttpResponse(write(rows), content_type=content_type)
    name = f"job_{job_id}_tasks.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _announced(
    user: Any, job: DicomJob, choices: TaskChoices, form: str
) -> Iterator[list[str | int]]:
    """The rows, once the audit log knows of the export."""
    tasks = chosen_tasks(user, job, choices)
    with transaction.atomic():
        outcome = f"{counted(tasks.count(), 'task')} as {form}"
        action_done.send(task_export, user=user, action="job.export", object=job, outcome=outcome)
    return rows_of(user, tasks.iterator(chunk_size=1000))

"""The pages and downloads of receipts."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from adit.core.models import DicomJob
from adit.core.models.records import decode_records
from adit.core.pages.job_detail import visible_job
from adit.core.pages.receipt_content import ReceiptContent, job_content, receipts_of, task_content
from adit.core.pages.receipt_csv import csv_lines
from adit.core.pages.receipt_json import json_lines
from adit.core.pages.receipts import job_receipts, job_statement, job_totals, task_receipt
from adit.core.pages.task_detail import visible_task
from adit.core.pages.task_table import tasks_of_kind

# So many tasks stand on one (printed) page of a job's receipt.
TASKS_SHOWN = 500

_PIECE = 64 * 1024
_AT_ONCE = 16
_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}


def _download(lines: Iterable[str], name: str, form: str) -> HttpResponseBase:
    """Send a small receipt at once, and a large one while it is made: its size does not matter."""
    pieces = _pieces(lines)
    first = list(itertools.islice(pieces, _AT_ONCE))
    response: HttpResponseBase
    if len(first) < _AT_ONCE:
        response = HttpResponse(b"".join(first), content_type=_TYPES[form])
    else:
        rest = _pull(itertools.chain(first, pieces))
        response = StreamingHttpResponse(rest, content_type=_TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return response


def _pieces(lines: Iterable[str]) -> Iterator[bytes]:
    buffer = bytearray()
    for line in lines:
        buffer += line.encode(errors="replace")
        if len(buffer) >= _PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


async def _pull(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece is made in the thread of the database when the client has taken the last."""
    while (piece := await sync_to_async(next)(pieces, None)) is not None:
        yield piece


def _pdf(content: ReceiptContent, name: str) -> HttpResponse:
    # Only who asks for a PDF needs the code that sets it.
    from adit.core.pages.receipt_pdf import signed_pdf

    attachment = "".join(json_lines(content)).encode(errors="replace")
    response = HttpResponse(
        signed_pdf(json.loads(attachment), attachment), content_type=_TYPES["pdf"]
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return response


@login_required
@never_cache
@require_GET
def task_receipt_page(request: HttpRequest, task_id: int) -> HttpResponse:
    """Per series and total; with `?instances=1` every instance."""
    task = visible_task(request.user, task_id)
    receipt = task_receipt(request.user, task_id, task.job.kind)
    instances = request.GET.get("instances") == "1"
    if instances:
        for row in receipt.series:
            row.records = decode_records(row.instances)
            for record in row.records:
                record.reason = receipt.remark(record.reason)
    context = {"receipt": receipt, "task": receipt.task, "job": task.job, "instances": instances}
    return render(request, "core/tasks/receipt.html", context)


@login_required
@never_cache
@require_GET
def task_receipt_download(request: HttpRequest, task_id: int, form: str) -> HttpResponseBase:
    """The receipt of a task with all its instances, signed; `form` is json, csv or pdf."""
    task = visible_task(request.user, task_id)
    content = task_content(request.user, task, task.job.kind)
    name = f"receipt_task_{task_id}"
    if form == "pdf":
        return _pdf(content, name)
    lines = json_lines(content) if form == "json" else csv_lines(content.head, [content])
    return _download(lines, name, form)


@login_required
@never_cache
@require_GET
def job_receipt_page(request: HttpRequest, job_id: int) -> HttpResponse:
    job = visible_job(request.user, job_id)
    tasks = tasks_of_kind(job.kind).filter(job_id=job.pk).order_by("line", "id")
    page = Paginator(tasks, TASKS_SHOWN).get_page(request.GET.get("page"))
    total = job_totals(job)
    context = {
        "job": job,
        "page": page,
        "receipts": job_receipts(request.user, page),
        "total": total,
        "statement": job_statement(job, total),
    }
    return render(request, "core/jobs/receipt.html", context)


@login_required
@never_cache
@require_GET
def job_receipt_download(request: HttpRequest, job_id: int, form: str) -> HttpResponseBase:
    """The receipt of a job, signed: as JSON and PDF its tasks, as CSV all instances of them."""
    job = visible_job(request.user, job_id)
    content = job_content(request.user, job)
    name = f"receipt_job_{job_id}"
    if form == "pdf":
        return _pdf(content, name)
    if form == "json":
        return _download(json_lines(content), name, form)
    return _download(csv_lines(content.head, task_contents(request.user, job)), name, form)


def task_contents(user: Any, job: DicomJob, issued: str = "") -> Iterator[ReceiptContent]:
    """The receipts of all tasks of a job with their instances, one after the other."""
    for receipt in receipts_of(user, job):
        yield task_content(user, receipt.task, job.kind, issued)

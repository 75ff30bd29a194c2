"""The pages and downloads of receipts."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from adit.core.pages.job_detail import visible_job
from adit.core.pages.receipts import (
    decode_records,
    job_receipt_json,
    job_receipts,
    job_statement,
    task_receipt,
    task_receipt_json,
)
from adit.core.pages.task_detail import visible_task

# So many tasks stand on one (printed) page of a job's receipt.
TASKS_SHOWN = 500


def _download(content: dict[str, object], name: str) -> JsonResponse:
    response = JsonResponse(content, json_dumps_params={"indent": 2})
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@login_required
@require_GET
def task_receipt_page(request: HttpRequest, task_id: int) -> HttpResponse:
    """Per series and total; with `?instances=1` every instance."""
    task = visible_task(request.user, task_id)
    receipt = task_receipt(request.user, task_id, task.job.kind)
    instances = request.GET.get("instances") == "1"
    if instances:
        for row in receipt.series:
            row.records = decode_records(row.instances)
    context = {"receipt": receipt, "task": receipt.task, "job": task.job, "instances": instances}
    return render(request, "core/tasks/receipt.html", context)


@login_required
@require_GET
def task_receipt_download(request: HttpRequest, task_id: int) -> HttpResponse:
    task = visible_task(request.user, task_id)
    receipt = task_receipt(request.user, task_id, task.job.kind)
    return _download(task_receipt_json(receipt), f"receipt_task_{task_id}.json")


@login_required
@require_GET
def job_receipt_page(request: HttpRequest, job_id: int) -> HttpResponse:
    job = visible_job(request.user, job_id)
    receipts, total = job_receipts(request.user, job)
    context = {
        "job": job,
        "page": Paginator(receipts, TASKS_SHOWN).get_page(request.GET.get("page")),
        "total": total,
        "statement": job_statement(receipts, total),
    }
    return render(request, "core/jobs/receipt.html", context)


@login_required
@require_GET
def job_receipt_download(request: HttpRequest, job_id: int) -> HttpResponse:
    job = visible_job(request.user, job_id)
    receipts, total = job_receipts(request.user, job)
    return _download(job_receipt_json(job, receipts, total), f"receipt_job_{job_id}.json")

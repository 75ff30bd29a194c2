"""The report of a job as page, JSON and PDF."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from adit.core.pages.deid_report.build import deid_report, report_json
from adit.core.pages.deid_report.pdf import report_pdf
from adit.core.pages.job_detail import visible_job


@login_required
@require_GET
def job_report(request: HttpRequest, job_id: int) -> HttpResponse:
    job = visible_job(request.user, job_id)
    return render(request, "core/jobs/report.html", {"job": job, "report": deid_report(job)})


@login_required
@require_GET
def job_report_json(request: HttpRequest, job_id: int) -> HttpResponse:
    content = report_json(deid_report(visible_job(request.user, job_id)))
    response = JsonResponse(content, json_dumps_params={"indent": 2})
    return _attached(response, f"deid_report_job_{job_id}.json")


@login_required
@require_GET
def job_report_pdf(request: HttpRequest, job_id: int) -> HttpResponse:
    content = report_pdf(deid_report(visible_job(request.user, job_id)))
    response = HttpResponse(content, content_type="application/pdf")
    return _attached(response, f"deid_report_job_{job_id}.pdf")


def _attached(response: HttpResponse, name: str) -> HttpResponse:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

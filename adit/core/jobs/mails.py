"""Mails about jobs. They hold no identifying value."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from adit.core.jobs.registry import get_kind
from adit.core.models import DicomJob


def job_url(job: DicomJob) -> str:
    return f"{settings.SITE_URL}{job.get_absolute_url()}"


def send_finished_mail(job_id: int) -> None:
    """Tell the owner that the job has ended, in text and HTML, with the link."""
    job = DicomJob.objects.select_related("owner").get(pk=job_id)
    context = {
        "job": job,
        "kind": get_kind(job.kind).label,
        "url": job_url(job),
        "site_name": settings.SITE_NAME,
    }
    send_mail(
        subject=f"[{settings.SITE_NAME}] Job {job.pk}: {job.get_state_display()}",  # type: ignore[attr-defined]
        message=render_to_string("core/mails/job_finished.txt", context),
        html_message=render_to_string("core/mails/job_finished.html", context),
        from_email=settings.DEFAULT_FROM_EMAIL,
        recipient_list=[job.owner.email],
    )

"""Mails about jobs. They hold a link and no identifying value."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from adit.core.jobs.queue import Mail
from adit.core.jobs.registry import get_kind
from adit.core.models import DicomJob


def job_url(job: DicomJob) -> str:
    return f"{settings.SITE_URL}{job.get_absolute_url()}"


def _subject(mail: Mail, job: DicomJob, state: str) -> str:
    if mail is Mail.FINISHED:
        return f"Job {job.pk}: {DicomJob.State(state).label}"
    if mail is Mail.FIRST_FAILURE:
        return f"Job {job.pk}: a task has failed"
    return f"Job {job.pk} waits for verification"


def _recipients(mail: Mail, job: DicomJob) -> list[str]:
    """The owner; of a job that waits for verification, the staff, who do not see each other."""
    if mail is Mail.UNVERIFIED:
        staff = get_user_model().objects.filter(is_staff=True, is_active=True)
        return list(staff.exclude(email="").order_by("pk").values_list("email", flat=True))
    owner = job.owner
    return [owner.email] if owner.email and owner.is_active else []


def send_mail_about(mail: Mail, job_id: int, state: str, message: str = "") -> None:
    """Send a mail in text and HTML; nothing where the job is gone or nobody is to be told.

    Args:
        state, message: those of the job when that happened which the mail is about; by now it may
            run again, or have ended otherwise.

    Raises:
        OSError: the mail server does not take it; the queue tries again.
    """
    job = DicomJob.objects.select_related("owner").filter(pk=job_id).first()
    if job is None or (mail is Mail.UNVERIFIED and job.state != DicomJob.State.UNVERIFIED):
        return
    recipients = _recipients(mail, job)
    if not recipients:
        return
    context = {
        "job": job,
        "state": DicomJob.State(state).label,
        "message": message,
        "has_ended": state in DicomJob.ENDED,
        "runs_again": mail is Mail.FINISHED and not job.is_ended,
        "kind": get_kind(job.kind).label,
        "url": job_url(job),
        "site_name": settings.SITE_NAME,
    }
    template = f"core/mails/job_{mail.value}"
    letter = EmailMultiAlternatives(
        subject=f"[{settings.SITE_NAME}] {_subject(mail, job, state)}",
        body=render_to_string(f"{template}.txt", context),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=recipients if mail is not Mail.UNVERIFIED else [],
        bcc=recipients if mail is Mail.UNVERIFIED else [],
    )
    letter.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    letter.send()

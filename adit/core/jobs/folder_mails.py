"""The mail to staff when a folder has passed its warn size."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.dispatch import receiver
from django.template.loader import render_to_string

from adit.core.jobs.queue import defer_folder_mail
from adit.core.models import DicomFolder
from adit.core.transfer.signals import warn_size_passed


@receiver(warn_size_passed)
def _queue_mail(sender: Any, folder: DicomFolder, **_: Any) -> None:
    """In the transaction that noted the size: the mail is sent if and only if that commits."""
    defer_folder_mail(folder.pk)


def send_folder_mail(folder_id: int) -> None:
    """Tell all staff how full the folder is."""
    folder = DicomFolder.objects.get(pk=folder_id)
    staff = get_user_model().objects.filter(is_staff=True, is_active=True).exclude(email="")
    send_mail(
        subject=f"[{settings.SITE_NAME}] Folder {folder.name} has passed its warn size",
        message=render_to_string(
            "core/mails/folder_warning.txt", {"folder": folder, "site_name": settings.SITE_NAME}
        ),
        from_email=settings.DEFAULT_FROM_EMAIL,
        recipient_list=sorted(staff.values_list("email", flat=True)),
    )

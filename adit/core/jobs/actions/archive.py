"""What can be asked for at a folder only: an archive, NIfTI."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from django.utils import timezone

from adit.core.models import DicomJob, DicomNode, DicomTask, JobArchive
from adit.core.transfer.archive.places import new_parts_key
from adit.core.transfer.layout import job_name

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 128

# Without characters that are easily taken for others.
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class InvalidJob(Exception):
    """What was asked for cannot be done; the message says why."""


def new_password() -> str:
    """A random password of about 145 bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(5))


def password_fault(password: str) -> str:
    """Why a password is refused, or ""."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        return (
            f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters; "
            "leave it empty to have a strong one made."
        )
    if not password.isprintable() or password != password.strip():
        return "A password holds no control characters, and no blank at its start or end."
    if len(set(password)) < 5:
        return "This password repeats too few characters."
    return ""


def check_options(job: DicomJob, tasks: Sequence[DicomTask], archive_password: str) -> None:
    """Refuse an archive or NIfTI where a destination is no folder.

    Raises:
        InvalidJob: with the reason.
    """
    nifti = getattr(job, "convert_to_nifti", False)
    if not nifti and not archive_password:
        return
    ids = {getattr(task, "destination_id", None) for task in tasks}
    folders = DicomNode.objects.filter(pk__in=ids - {None}, kind=DicomNode.Kind.FOLDER).count()
    what = "NIfTI files" if nifti else "An archive"
    if folders != len(ids):
        raise InvalidJob(f"{what} can only be written to a folder, not to a server.")
    if archive_password:
        if len(ids) > 1:
            raise InvalidJob("All studies of an archive go to one folder.")
        if fault := password_fault(archive_password):
            raise InvalidJob(fault)


def create_archive(job: DicomJob, tasks: Sequence[DicomTask], password: str) -> JobArchive:
    """Add the archive of a job that was just stored."""
    day = timezone.localtime(job.created).date()
    return JobArchive.objects.create(
        job_id=job.pk,
        node_id=tasks[0].destination_id,  # type: ignore[attr-defined]
        name=job_name(job.kind, job.pk, day, job.owner.username) + ".7z",
        password=password,
        parts_key=new_parts_key(),
    )

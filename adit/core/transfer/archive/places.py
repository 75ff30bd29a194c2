"""Where the archive of a job and its parts lie."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from adit.core.dicom import PermanentDicomError
from adit.core.models import JobArchive


def new_parts_key() -> str:
    """A random key of 256 bits for the parts of one job, as text."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def parts_key(archive: JobArchive) -> bytes:
    """The key of the parts.

    Raises:
        PermanentDicomError: it is no longer kept.
    """
    if not archive.can_be_assembled:
        raise PermanentDicomError(
            "The keys of the archive are no longer kept.", advice="Create the job anew."
        )
    return base64.b64decode(archive.parts_key)


def archive_path(root: Path, archive: JobArchive) -> Path:
    """The archive itself, when it is whole."""
    return root / archive.name


def parts_root(root: Path, archive: JobArchive) -> Path:
    """The folder of all parts of a job; it exists until the archive is whole."""
    return root / f"{archive.name}.parts"


def parts_folder(root: Path, archive: JobArchive, task_id: int) -> Path:
    """The folder of the parts of one task."""
    return parts_root(root, archive) / str(task_id)

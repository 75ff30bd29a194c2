"""One temporary folder per run, removed when it ends, and swept when its run was killed."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from adit.core.models import DicomTask, JobArchive


@contextlib.contextmanager
def work_folder(token: uuid.UUID) -> Iterator[Path]:
    """A fresh folder named after the lease of the run."""
    folder = settings.WORK_DIR / token.hex
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_held(token: uuid.UUID) -> bool:
    return (
        DicomTask.objects.filter(lease=token).exists()
        or JobArchive.objects.filter(lease=token).exists()
    )


def sweep_work_folders() -> int:
    """Remove the folders of runs that hold no lease any more; returns how many those were."""
    if not settings.WORK_DIR.is_dir():
        return 0
    removed = 0
    for folder in settings.WORK_DIR.iterdir():
        with contextlib.suppress(ValueError):
            token = uuid.UUID(folder.name)
            if not _is_held(token):
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed

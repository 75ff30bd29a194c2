"""Whether there is room for the work on this host."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from django.conf import settings

# How long a task that found no room waits before a worker looks at it again, in seconds.
WAIT_SECONDS = 15.0


def has_room() -> bool:
    """Whether the disk of the work folders has more than the reserve left."""
    folder = Path(settings.WORK_DIR)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free > settings.WORK_RESERVE_MB * 1024 * 1024


def is_full_work_folder(error: OSError, folder: Path) -> bool:
    """Whether an error says that the disk of the work folder is full.

    An error that names no file counts where that disk is below its reserve.
    """
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return False
    if error.filename is None:
        return not has_room()
    return Path(str(error.filename)).is_relative_to(folder)


def reason(host: str) -> str:
    """Why such a task waits."""
    return f"waits for disk space on {host}"[:128]

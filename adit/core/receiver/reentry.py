"""Rows made anew from their files.

A sender is answered as soon as the file is durable and its row is committed, which waits for no
disk. In a crash PostgreSQL may lose the rows of the last moment; the files then tell all that
workers need.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pydicom.filereader import read_file_meta_info

from adit.core.dicom import FileSlice, NotPart10, read_part10
from adit.core.models import ReceivedInstance

from .leftovers import mark_copies
from .spool import START_BYTES, Spool, SpooledFile

_BATCH = 500

logger = logging.getLogger(__name__)


def enter_again(receiver: str, spool: Spool, names: Iterable[str]) -> int:
    """Enter files without row; what is no DICOM file was never answered with success, and goes.

    Rows keep the time at which their file came, so that a C-MOVE gets none that is older than it.
    Copies of what has been delivered meanwhile are given up at once: they hold identifiers.

    Returns:
        How many files needed a row. One that came meanwhile stays as it is.
    """
    rows: list[ReceivedInstance] = []
    for name in names:
        try:
            rows.append(_row(receiver, spool, name))
        except FileNotFoundError:
            continue  # a worker has just taken it over
        except (NotPart10, OSError):
            logger.warning("A file in the spool that is not complete was deleted.")
            spool.remove(name)
    mark_copies(rows)
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        ReceivedInstance.objects.bulk_create(some, ignore_conflicts=True)
    return len(rows)


def _row(receiver: str, spool: Spool, name: str) -> ReceivedInstance:
    """
    Raises:
        NotPart10: It is no DICOM file.
        OSError: It cannot be read.
    """
    path = spool.path(name)
    instance = read_part10(path)
    assert isinstance(instance.data, FileSlice)
    with instance.open() as data:
        start = data.read(START_BYTES)
    sha256, syntax = instance.sha256(), instance.transfer_syntax_uid
    file = SpooledFile(name, instance.data.offset, instance.size, sha256, start)
    study, series = spool.study_and_series(file, syntax)
    return ReceivedInstance(
        receiver=receiver,
        path=name,
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        study_instance_uid=study,
        series_instance_uid=series,
        transfer_syntax_uid=syntax,
        calling_ae_title=_sender(path),
        size=instance.size,
        sha256=sha256,
        received_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
    )


def _sender(path: Path) -> str:
    meta = read_file_meta_info(path)
    return str(meta.get("SourceApplicationEntityTitle", "")).strip()

"""Quota and warn size of a folder.

The bytes in use are counted in the row of the folder, by one conditional update per file, so that
all workers together stay below the quota. The count starts from what lies in the folder, and is
taken anew when it is old and before anything is refused: somebody may have made room.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Avg, F, FloatField, Q
from django.db.models.functions import Cast, Now

from adit.core.models import DicomFolder, SeriesTransfer
from adit.core.transfer.folder_sink import FACTS
from adit.core.transfer.plan import PlannedSeries
from adit.core.transfer.signals import warn_size_passed
from adit.core.transfer.sink import QuotaExceeded

_STALE = timedelta(hours=1)

# A DICOM file takes at least this; where nothing is known yet of a modality no more is assumed.
_LEAST_BYTES = 1024


class FolderSpace:
    """Counts what is written to one folder; a folder without limits costs nothing."""

    def __init__(self, folder: DicomFolder) -> None:
        self._pk = folder.pk
        self._name = folder.name
        self._root = folder.root()
        self._quota = folder.quota
        self._limited = folder.quota is not None or folder.warn_size is not None
        if self._limited and not self._measured_lately():
            self.measure()

    def _measured_lately(self) -> bool:
        """By the clock of the database, which wrote the time down."""
        return DicomFolder.objects.filter(pk=self._pk, measured__gte=Now() - _STALE).exists()

    def measure(self) -> None:
        """Count what lies in the folder. What is charged meanwhile counts on top."""
        rows = DicomFolder.objects.filter(pk=self._pk)
        before = rows.values_list("used_bytes", flat=True).get()
        found = folder_size(self._root)
        rows.update(used_bytes=F("used_bytes") - before + found, measured=Now())
        rows.filter(used_bytes__lt=F("warn_size")).update(warned=None)

    def charge(self, size: int) -> None:
        """Count `size` bytes more, or less where it is negative.

        Raises:
            QuotaExceeded: they do not fit; nothing was counted.
        """
        if self._limited and not self._charge(size):
            self.measure()
            if not self._charge(size):
                raise self._exceeded("the quota is used up")

    def _charge(self, size: int) -> bool:
        with transaction.atomic():
            rows = DicomFolder.objects.filter(pk=self._pk)
            fits = Q(quota=None) | Q(quota__gte=F("used_bytes") + size)
            fitting = rows.filter(fits) if size > 0 else rows
            if not fitting.update(used_bytes=F("used_bytes") + size):
                return False
            if rows.filter(warned=None, used_bytes__gt=F("warn_size")).update(warned=Now()):
                warn_size_passed.send(FolderSpace, folder=rows.get())
            return True

    def check_expected(self, expected: int) -> None:
        """Refuse before anything is moved what cannot fit.

        Raises:
            QuotaExceeded: `expected` more bytes are too much.
        """
        if self._quota is None or self._left() >= expected:
            return
        self.measure()
        if self._left() < expected:
            raise self._exceeded(f"about {_in_words(expected)} are expected")

    def _left(self) -> int:
        used, quota = DicomFolder.objects.values_list("used_bytes", "quota").get(pk=self._pk)
        return max(0, quota - used) if quota is not None else 1 << 62

    def _exceeded(self, why: str) -> QuotaExceeded:
        used, quota = DicomFolder.objects.values_list("used_bytes", "quota").get(pk=self._pk)
        return QuotaExceeded(
            f"{self._name} has no room: {_in_words(used)} of its quota of "
            f"{_in_words(quota or 0)} are in use, and {why}.",
            code="quota",
            advice="Make room or have the quota raised, and retry.",
        )


def expected_bytes(series: Iterable[PlannedSeries], proven: int = 0) -> int:
    """What a transfer will take at least: half of what such instances took so far.

    A source tells how many instances there are, not how large. `proven` instances are there.
    """
    left, total = 0, 0.0
    for one in series:
        if one.excluded:
            continue
        usual = (
            SeriesTransfer.objects.filter(modality=one.modality[:16], sent__gt=0)
            .order_by("-id")[:50]
            .aggregate(mean=Avg(Cast("bytes_sent", FloatField()) / F("sent")))["mean"]
        )
        left += one.expected
        total += one.expected * max(_LEAST_BYTES, (usual or 0) / 2)
    return int(total * max(0, left - proven) / left) if left else 0


def folder_size(root: Path) -> int:
    """The bytes of all files below a folder; what vanishes meanwhile does not count, nor do the
    facts beside staged series, which go when the study is whole."""
    total, folders = 0, [str(root)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.name != FACTS and entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def _in_words(size: int) -> str:
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"

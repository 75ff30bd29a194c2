"""A run as its processor sees it, inside the child process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from django.db import transaction

from adit.core.dicom import CancelToken
from adit.core.jobs.events import add_event
from adit.core.jobs.leases import Lease, report_progress
from adit.core.models import DicomTask, TaskEvent


class LeaseLost(Exception):
    """Another run owns the task now; this one stops and writes nothing."""


class TaskRun:
    """What a processor may use: cancel token, work folder, progress, events.

    Progress goes to PostgreSQL at most once a second and from there to the pages that watch.
    """

    INTERVAL = 1.0

    def __init__(self, lease: Lease, cancel: CancelToken, folder: Path) -> None:
        self.lease = lease
        self.cancel = cancel
        self.folder = folder
        self._columns: dict[str, object] = {}
        self._lock = threading.Lock()
        self._last = 0.0

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.lease.attempt

    def event(self, text: str, level: str = TaskEvent.Level.INFO) -> None:
        """Add a line to the task's history. `text` must hold no identifying value."""
        add_event(self.lease.task_id, text, level)

    def progress(self, *, now: bool = False, **columns: object) -> None:
        """Note progress columns of `DicomTask`; written at once where `now`, else when due.

        Raises:
            LeaseLost: another run owns the task.
        """
        with self._lock:
            self._columns.update(columns)
            if not now and time.monotonic() - self._last < self.INTERVAL:
                return
            pending, self._columns = self._columns, {}
            self._last = time.monotonic()
        if not report_progress(self.lease, **pending):
            raise LeaseLost

    def guard(self) -> None:
        """Inside a transaction: make sure that the lease holds until its end.

        Raises:
            LeaseLost: another run owns the task.
        """
        assert transaction.get_connection().in_atomic_block
        # Of the task alone, not of the job by which tasks are ordered: who has that locked may
        # wait for the task (`states.lock_job`).
        held = DicomTask.objects.select_for_update(no_key=True).filter(
            pk=self.lease.task_id, lease=self.lease.token
        )
        if not held.order_by().values_list("pk", flat=True):
            raise LeaseLost

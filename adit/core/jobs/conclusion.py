"""What follows from the outcome of a run."""

from __future__ import annotations

import socket

from django.conf import settings
from django.db import transaction

from adit.core.jobs import disk, leases
from adit.core.jobs.child import Outcome
from adit.core.jobs.leases import Lease, Released
from adit.core.jobs.policy import GiveUp, Retry, decide_after_crash, decide_retry
from adit.core.jobs.states import lock_job_state
from adit.core.models import DicomServer, DicomTask

State = DicomTask.State

_NO_PROCESS_SECONDS = 5.0


def conclude(lease: Lease, outcome: Outcome) -> Released | None:
    """End the task, or let it wait for another attempt. Returns None, and changes nothing, where
    the lease is lost."""
    if outcome.kind == "crashed":
        return after_crash(lease, outcome.message)
    if outcome.kind == "interrupted":
        return leases.hand_back(lease, f"{outcome.message} It starts again.", outcome.log)
    if outcome.kind == "no_process":
        # Not at once: a host without memory would start it again and again.
        return leases.hand_back(
            lease,
            outcome.message,
            wait=_NO_PROCESS_SECONDS,
            waits_for=f"waits for a process on {socket.gethostname()}"[:128],
        )
    if outcome.kind == "disk_full":
        return leases.hand_back(
            lease,
            outcome.message,
            outcome.log,
            wait=disk.WAIT_SECONDS,
            waits_for=disk.reason(socket.gethostname()),
        )
    if outcome.kind == "done":
        return leases.finish(lease, outcome.state, outcome.message, outcome.log)
    if outcome.kind == "canceled":
        return leases.finish(lease, State.CANCELED, outcome.message, outcome.log)
    if outcome.kind == "permanent":
        return leases.finish(lease, State.FAILURE, outcome.message, outcome.log)
    if outcome.kind == "transient":
        decision = _decide_retry(lease)
        if isinstance(decision, Retry):
            return leases.wait_and_retry(lease, decision.seconds, outcome.message, outcome.log)
        if decision is not None:
            message = f"{outcome.message} ({decision.reason})"
            return leases.finish(lease, outcome.state, message, outcome.log)
    assert outcome.kind in ("transient", "lost"), outcome.kind
    return None


def after_crash(lease: Lease, what: str) -> Released | None:
    """After the process or the worker of a run is gone: it starts anew, but not for ever.

    Its worker and the sweep may find out at the same time; the crash counts once. Returns None
    where the lease is lost.
    """
    with transaction.atomic():
        lock_job_state(lease.job_id)
        crashes = leases.count_crash(lease)
        if crashes is None:
            return None
        decision = decide_after_crash(crashes, settings.TASK_MAX_CRASHES)
        if isinstance(decision, Retry):
            return leases.wait_and_retry(lease, decision.seconds, f"{what} It starts again.")
        return leases.finish(lease, State.FAILURE, f"{what} Given up: {decision.reason}.")


def _decide_retry(lease: Lease) -> Retry | GiveUp | None:
    """By the settings of the source, or those of the whole system; None where the lease is lost."""
    held = DicomTask.objects.filter(pk=lease.task_id, lease=lease.token)
    task = held.only("crashes", "source_id").first()
    if task is None:
        return None
    server = DicomServer.objects.filter(pk=task.source_id).first()
    attempts = (server and server.task_attempts) or settings.TASK_ATTEMPTS
    waits = settings.TASK_RETRY_WAITS
    if server and server.task_retry_waits:
        waits = [int(wait) for wait in server.task_retry_waits.split(",")]
    # A start after a crash is no attempt of its own: crashes have a limit of their own.
    return decide_retry(max(1, lease.attempt - task.crashes), attempts, waits)

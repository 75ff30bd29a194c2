"""What follows from the outcome of a run."""

from __future__ import annotations

import socket

from django.conf import settings
from django.db import transaction

from adit.core.jobs import disk, leases
from adit.core.jobs.child import Outcome
from adit.core.jobs.leases import Lease
from adit.core.jobs.policy import GiveUp, Retry, decide_after_crash, decide_retry
from adit.core.jobs.states import lock_job_state
from adit.core.models import DicomServer, DicomTask

State = DicomTask.State

_NO_PROCESS_SECONDS = 5.0


def conclude(lease: Lease, outcome: Outcome) -> None:
    """End the task, or let it wait for another attempt. Changes nothing where the lease is lost."""
    if outcome.kind == "crashed":
        after_crash(lease, outcome.message)
    elif outcome.kind == "interrupted":
        leases.hand_back(lease, f"{outcome.message} It starts anew.", outcome.log)
    elif outcome.kind == "no_process":
        # Not at once: a host without memory would start it again and again.
        leases.hand_back(
            lease,
            outcome.message,
            wait=_NO_PROCESS_SECONDS,
            waits_for=f"waits for a process on {socket.gethostname()}"[:128],
        )
    elif outcome.kind == "disk_full":
        leases.hand_back(
            lease,
            outcome.message,
            outcome.log,
            wait=disk.WAIT_SECONDS,
            waits_for=disk.reason(socket.gethostname()),
        )
    elif outcome.kind == "done":
        leases.finish(lease, outcome.state, outcome.message, outcome.log)
    elif outcome.kind == "canceled":
        leases.finish(lease, State.CANCELED, outcome.message, outcome.log)
    elif outcome.kind == "permanent":
        leases.finish(lease, State.FAILURE, outcome.message, outcome.log)
    elif outcome.kind == "transient":
        decision = _decide_retry(lease)
        if isinstance(decision, Retry):
            leases.wait_and_retry(lease, decision.seconds, outcome.message, outcome.log)
        elif decision is not None:
            message = f"{outcome.message} ({decision.reason})"
            leases.finish(lease, outcome.state, message, outcome.log)
    else:
        assert outcome.kind == "lost", outcome.kind


def after_crash(lease: Lease, what: str) -> None:
    """After the process or the worker of a run is gone: it starts anew, but not for ever.

    Its worker and the sweep may find out at the same time; the crash counts once.
    """
    with transaction.atomic():
        lock_job_state(lease.job_id)
        crashes = leases.count_crash(lease)
        if crashes is None:
            return
        decision = decide_after_crash(crashes, settings.TASK_MAX_CRASHES)
        if isinstance(decision, Retry):
            leases.wait_and_retry(lease, decision.seconds, f"{what} It starts anew.")
        else:
            leases.finish(lease, State.FAILURE, f"{what} Given up: {decision.reason}.")


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

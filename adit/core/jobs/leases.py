"""A run owns its task by a lease. Every write of a run names the lease; a late or doubled run finds
that it lost and changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from adit.core.jobs.events import STARTED
from adit.core.jobs.notify import JOB_CHANNEL, notify_job
from adit.core.jobs.servers import rules_of
from adit.core.jobs.states import derive_after_end, derive_job_state, lock_job_state
from adit.core.models import DicomJob, DicomTask, TaskEvent
from adit.core.transfer.ledger_store import mark_canceled_series, mark_unfinished_series

State = DicomTask.State


@dataclass(frozen=True)
class Lease:
    """The right to run a task, given to one worker for one attempt."""

    task_id: int
    job_id: int
    kind: str
    token: uuid.UUID
    attempt: int


class LeaseStatus(Enum):
    HELD = "held"
    CANCEL = "cancel"
    LOST = "lost"


# Locks the job first, as everybody does who changes a task (`states.lock_job`).
_LOOK = """
SELECT job.id, job.state, job.kind, job.urgent, job.owner_id, task.source_id,
    server.is_suspended IS NOT FALSE OR destination.is_suspended IS TRUE OR EXISTS (
        SELECT 1 FROM core_jobkindsettings WHERE kind = job.kind AND is_suspended),
    ARRAY(SELECT DISTINCT server_id FROM core_serverhours
          WHERE server_id IN (task.source_id, task.delivers_to_id))
FROM core_dicomtask AS task
JOIN core_dicomjob AS job ON job.id = task.job_id
LEFT JOIN core_dicomserver AS server ON server.dicomnode_ptr_id = task.source_id
LEFT JOIN core_dicomserver AS destination ON destination.dicomnode_ptr_id = task.delivers_to_id
WHERE task.id = %s FOR NO KEY UPDATE OF job
"""

# The time is that of the database: the clocks of the hosts may differ.
_CLAIM = """
WITH claimed AS (UPDATE core_dicomtask SET state = 'IN_PROGRESS', lease = %(token)s,
    lease_until = statement_timestamp() + %(seconds)s * interval '1 second', worker = %(worker)s,
    attempts = attempts + 1, not_before = NULL, waits_for = '', cancel_requested = false,
    start = coalesce(start, statement_timestamp()), "end" = NULL, message = '',
    run_start = statement_timestamp(), done_before = instances_done,
    phase = 'starting', instances_per_second = 0
WHERE id = %(task)s AND state = 'PENDING' AND queued IS NOT NULL
RETURNING id, attempts), told AS (
    INSERT INTO core_taskevent (task_id, job_id, time, level, text)
    SELECT id, %(job)s, statement_timestamp(), 'info',
        left(format('%%s%%s, attempt %%s.', %(started)s::text, %(worker)s::text, attempts), 500)
    FROM claimed),
turn AS (
    INSERT INTO core_serverturn (server_id, owner_id, last_start)
    SELECT %(source)s, %(owner)s, statement_timestamp() FROM claimed
    ON CONFLICT (server_id, owner_id) DO UPDATE SET last_start = excluded.last_start)
SELECT attempts, pg_notify(%(channel)s, %(job)s::text) FROM claimed
"""


def claim(task_id: int, worker: str) -> Lease | None:
    """Take a waiting task for `worker`; None where it is no longer to be run, or another has it.

    Kind, source and destination are looked at once more: it may have been in the queue for long.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOOK, [task_id])
        row = cursor.fetchone()
        if row is None or row[1] not in (DicomJob.State.PENDING, DicomJob.State.IN_PROGRESS):
            return None
        job_id, job_state, kind, urgent, owner_id, source_id, suspended, with_hours = row
        rules = rules_of(with_hours).values() if with_hours else ()
        if suspended or not all(rule.lets_start(urgent) for rule in rules):
            # It goes back among those that wait; the reason is told by what forbids it.
            DicomTask.objects.filter(pk=task_id, state=State.PENDING).update(
                queued=None, queue_job_id=None
            )
            return None
        token = uuid.uuid4()
        values = {
            "token": token,
            "seconds": settings.TASK_LEASE_SECONDS,
            "worker": worker,
            "task": task_id,
            "job": job_id,
            "owner": owner_id,
            "source": source_id,
            "started": STARTED,
            "channel": JOB_CHANNEL,
        }
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
        if row is None:
            return None
        # A job that is in progress stays so, whatever number of its tasks runs.
        if job_state != DicomJob.State.IN_PROGRESS:
            derive_job_state(job_id)
    return Lease(task_id, job_id, kind, token, row[0])


def postpone(task_id: int, seconds: float, waits_for: str) -> bool:
    """Let a task that this worker cannot take now wait, and say what for; not an attempt."""
    return bool(
        DicomTask.objects.filter(pk=task_id, state=State.PENDING, queued__isnull=False).update(
            queued=None,
            queue_job_id=None,
            not_before=Now() + timedelta(seconds=seconds),
            waits_for=waits_for,
        )
    )


@dataclass(frozen=True)
class Beat:
    """What a heartbeat learns of the run.

    Attributes:
        work: how far the run is: it changes whenever the run gets on.
        instances, size: what is expected, and the bytes that are done.
    """

    status: LeaseStatus
    work: tuple[object, ...] = ()
    instances: int = 0
    size: int = 0


# Rows that somebody holds right now are left for the next beat: no lease waits for another's lock.
_RENEW = """
WITH mine AS MATERIALIZED (
    SELECT task.id FROM core_dicomtask AS task
    JOIN (SELECT unnest(%(tasks)s::bigint[]) AS id, unnest(%(tokens)s::uuid[]) AS lease) AS held
      ON held.id = task.id AND held.lease = task.lease
    ORDER BY task.id FOR UPDATE OF task SKIP LOCKED
)
UPDATE core_dicomtask AS task
SET lease_until = statement_timestamp() + %(seconds)s * interval '1 second'
FROM mine WHERE task.id = mine.id
"""

_LOOK_AT_RUNS = """
SELECT lease, cancel_requested, phase, protocol, instances_expected, instances_done, bytes_done
FROM core_dicomtask WHERE lease = ANY(%s::uuid[])
"""


def beat_all(held: Sequence[Lease]) -> dict[uuid.UUID, Beat]:
    """The heartbeat of runs: keep their leases, learn whether to stop and how far they are."""
    tokens = [lease.token for lease in held]
    tasks = [lease.task_id for lease in held]
    with connection.cursor() as cursor:
        cursor.execute(
            _RENEW, {"tasks": tasks, "tokens": tokens, "seconds": settings.TASK_LEASE_SECONDS}
        )
        cursor.execute(_LOOK_AT_RUNS, [tokens])
        rows = cursor.fetchall()
    beats = {token: Beat(LeaseStatus.LOST) for token in tokens}
    for token, canceled, *work in rows:
        status = LeaseStatus.CANCEL if canceled else LeaseStatus.HELD
        beats[token] = Beat(status, tuple(work), work[2], work[4])
    return beats


def beat(lease: Lease) -> Beat:
    """The heartbeat of one run."""
    return beat_all([lease])[lease.token]


def renew(lease: Lease) -> LeaseStatus:
    """Keep the lease, and learn whether to stop."""
    return beat(lease).status


@dataclass(frozen=True)
class Released:
    """A run has ended.

    Attributes:
        was_full: whether nothing more of its source was in the queue: what the slot is for that
            it leaves there is yet to be handed over.
    """

    was_full: bool


def finish(lease: Lease, state: str, message: str, log: str = "") -> Released | None:
    """End the task. Returns None, and changes nothing, where the lease was lost."""
    level = {
        State.SUCCESS: TaskEvent.Level.INFO,
        State.CANCELED: TaskEvent.Level.INFO,
        State.WARNING: TaskEvent.Level.WARNING,
    }.get(State(state), TaskEvent.Level.ERROR)
    return _release(lease, state, message or State(state).label, level, log)


def wait_and_retry(lease: Lease, seconds: float, message: str, log: str = "") -> Released | None:
    """Give the task back so that it runs again after so many seconds; None likewise."""
    level = TaskEvent.Level.WARNING
    return _release(lease, State.PENDING, message, level, log, wait=seconds)


def hand_back(
    lease: Lease,
    why: str = "Handed back because the worker stopped.",
    log: str = "",
    *,
    wait: float | None = None,
    waits_for: str = "",
) -> Released | None:
    """Give the task back unchanged, through no fault of its own; the attempt does not count.

    It waits so many seconds, if that is given, for what `waits_for` says. None likewise.
    """
    return _release(
        lease,
        State.PENDING,
        why,
        TaskEvent.Level.INFO,
        log,
        back=1,
        wait=wait,
        waits_for=waits_for,
    )


def count_crash(lease: Lease) -> int | None:
    """Note that the process of this run died; returns how often that has happened to the task, None
    where the lease was lost. The caller ends the run in the same transaction."""
    assert connection.in_atomic_block
    held = DicomTask.objects.filter(pk=lease.task_id, lease=lease.token)
    if not held.update(crashes=F("crashes") + 1):
        return None
    return held.values_list("crashes", flat=True).get()


# One statement writes the end, tells of it in the history, and looks whether others are open.
_RELEASE = """
WITH released AS (UPDATE core_dicomtask SET state = %(state)s, message = %(message)s,
    log = CASE WHEN %(log)s = '' THEN log ELSE %(log)s END,
    "end" = CASE WHEN %(ended)s THEN statement_timestamp() ELSE "end" END,
    attempts = attempts - %(back)s, waits_for = %(waits_for)s,
    not_before = statement_timestamp() + %(wait)s::float * interval '1 second',
    lease = NULL, lease_until = NULL, queued = NULL, queue_job_id = NULL, worker = '', phase = '',
    instances_per_second = 0
WHERE id = %(task)s AND lease = %(token)s AND state = 'IN_PROGRESS'
RETURNING id, job_id, source_id), told AS (
    INSERT INTO core_taskevent (task_id, job_id, time, level, text)
    SELECT id, job_id, statement_timestamp(), %(level)s, %(message)s FROM released)
SELECT EXISTS (SELECT 1 FROM core_dicomtask AS other WHERE other.job_id = released.job_id
        AND other.state IN ('PENDING', 'IN_PROGRESS') AND other.id <> released.id),
    NOT EXISTS (SELECT 1 FROM core_dicomtask AS other WHERE other.queued IS NOT NULL
        AND other.state = 'PENDING' AND other.source_id = released.source_id),
    pg_notify(%(channel)s, job_id::text)
FROM released
"""


def _release(
    lease: Lease,
    state: str,
    message: str,
    level: str,
    log: str = "",
    *,
    back: int = 0,
    wait: float | None = None,
    waits_for: str = "",
) -> Released | None:
    """End the run, which leaves the task in `state`; `back` attempts do not count; it waits `wait`
    seconds, by the clock of the database."""
    with transaction.atomic(), connection.cursor() as cursor:
        job = lock_job_state(lease.job_id)
        if job is None:
            return None
        # A task that wants to run again does not do so once its job is being canceled.
        if job.state == DicomJob.State.CANCELING and state == State.PENDING:
            state, message, level = State.CANCELED, "Canceled.", TaskEvent.Level.INFO
            wait, waits_for = None, ""
        values = {
            "task": lease.task_id,
            "token": lease.token,
            "state": str(state),
            "message": message[:500],
            "level": str(level),
            "log": log,
            "ended": state in DicomTask.ENDED,
            "back": back,
            "wait": wait,
            "waits_for": waits_for[:128],
            "channel": JOB_CHANNEL,
        }
        cursor.execute(_RELEASE, values)
        row = cursor.fetchone()
        if row is None:
            return None
        if state == State.CANCELED:
            mark_canceled_series([lease.task_id])
        elif state in (State.WARNING, State.FAILURE):
            mark_unfinished_series([lease.task_id])
        derive_after_end(lease.job_id, job, state, row[0] or state == State.PENDING)
    return Released(row[1])


def report_progress(lease: Lease, **columns: object) -> bool:
    """Write progress columns of the task. Returns False where the lease was lost."""
    written = DicomTask.objects.filter(pk=lease.task_id, lease=lease.token).update(**columns)
    if written:
        notify_job(lease.job_id)
    return bool(written)

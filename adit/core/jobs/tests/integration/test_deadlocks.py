"""Everybody locks a job before its tasks; and what an action does if somebody did not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from adit.audit.models import AuditEntry
from adit.core.jobs import leases
from adit.core.jobs.actions import JOB_ACTIONS, TASK_ACTIONS, Conflict, base, cancel_job
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.states import lock_job
from adit.core.jobs.tests.integration.racers import MOVES
from adit.core.jobs.tests.integration.scripted import tasks_of, wait_for
from adit.core.models import DicomServer, DicomTask

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def claimed(task):
    DicomServer.objects.update(max_tasks=20)
    dispatch()
    lease = leases.claim(task.pk, "test")
    assert lease
    return lease


def _in_thread(do, *arguments):
    try:
        return do(*arguments)
    finally:
        connection.close()


def test_a_run_that_writes_does_not_wait_for_who_changes_its_job(scripted, owner):
    """It would wait with its task locked, for which the other one waits."""
    (task,) = tasks_of(scripted(owner))
    lease = claimed(task)
    with ThreadPoolExecutor(1) as executor, transaction.atomic():
        lock_job(lease.job_id)
        assert executor.submit(_in_thread, MOVES["progress"], lease, 7).result(30)
        assert DicomTask.objects.filter(pk=task.pk).update(cancel_requested=True)


@pytest.mark.parametrize(
    ("act", "done"),
    [
        (lambda user, task: JOB_ACTIONS["cancel"](user, task.job_id), "job.cancel"),
        (lambda user, task: TASK_ACTIONS["kill"](user, task.pk), "task.kill"),
    ],
    ids=["cancel", "kill"],
)
def test_an_action_that_a_deadlock_ends_is_done_anew(scripted, owner, staff, act, done):
    """Somebody takes the locks the other way round; PostgreSQL ends the action for it.

    It ends who has waited for a second, the action; on a machine that is late, also the other one.
    """

    def cross(task, locked):
        try:
            with transaction.atomic():
                assert list(DicomTask.objects.select_for_update().order_by().filter(pk=task.pk))
                locked.set()
                wait_for(waits_for_a_lock)
                lock_job(task.job_id)
        except OperationalError:
            return False
        return True

    def try_once():
        (task,) = tasks_of(scripted(owner))
        claimed(task)
        before = AuditEntry.objects.count()
        locked = threading.Event()
        with ThreadPoolExecutor(2) as executor:
            crossing = executor.submit(_in_thread, cross, task, locked)
            assert locked.wait(30)
            executor.submit(_in_thread, act, staff, task).result(60)
            crossed = crossing.result(60)
        assert [entry.action for entry in AuditEntry.objects.order_by("pk")[before:]] == [done]
        return crossed

    assert any(try_once() for _ in range(5))


def waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()


def test_an_action_that_deadlocks_end_again_and_again_says_so(scripted, owner, monkeypatch):
    job = scripted(owner)

    def victim(job_id):
        raise OperationalError from DeadlockDetected()

    monkeypatch.setattr(base, "lock_job", victim)
    with pytest.raises(Conflict, match="somebody else changes it at this very moment; try again"):
        cancel_job(owner, job.pk)

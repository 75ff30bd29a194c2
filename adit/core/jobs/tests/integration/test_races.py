"""Every pair of moves that can collide, done by two real processes at the same moment."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.audit.models import AuditEntry
from adit.core.jobs import leases, queue
from adit.core.jobs.actions import Conflict, act_on_tasks, cancel_job, delete_job
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.tests.integration.scripted import (
    assert_legal,
    delete_queue_rows,
    job_state,
    lapse,
    scripted_job,
    state_of,
    tasks_of,
)
from adit.core.models import DicomJob, DicomServer, DicomTask

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

ROUNDS = range(8)


@pytest.fixture
def owner(make_user):
    user = make_user()
    user.user_permissions.add(
        Permission.objects.get(codename="can_process_urgently"),
        Permission.objects.get(codename="add_dicomjob"),
    )
    return user


@pytest.fixture
def fresh(owner, scripted):
    """A job that is alone in the world, for each round."""

    def make(number=1, **changes):
        DicomTask.objects.all().delete()
        DicomJob.objects.all().delete()
        delete_queue_rows()
        return scripted(owner, *[""] * number, **changes)

    return make


def claimed(task):
    lease = leases.claim(task.pk, "test")
    assert lease
    return lease


def test_cancel_against_claim(race, fresh, owner):
    for _ in ROUNDS:
        job = fresh()
        (task,) = tasks_of(job)
        (_, lease), (canceled, _) = race(("claim", task.pk), ("job", "cancel", owner.pk, job.pk))
        assert canceled == "done"
        assert_legal()
        assert job_state(job) == ("CANCELING" if lease else "CANCELED")
        if lease:
            assert leases.renew(lease) is leases.LeaseStatus.CANCEL


def test_cancel_against_end(race, fresh, owner):
    for _ in ROUNDS:
        job = fresh()
        (task,) = tasks_of(job)
        lease = claimed(task)
        (_, finished), (canceled, _) = race(
            ("finish", lease, "SUCCESS"), ("job", "cancel", owner.pk, job.pk)
        )
        assert finished
        assert_legal()
        assert state_of(task) == "SUCCESS"
        assert job_state(job) == ("CANCELED" if canceled == "done" else "SUCCESS")


def test_retry_against_a_late_end(race, fresh, owner):
    """The run lost its lease, and its task has failed meanwhile; nothing of it comes back."""
    for _ in ROUNDS:
        job = fresh()
        (task,) = tasks_of(job)
        late = claimed(task)
        DicomTask.objects.filter(pk=task.pk).update(lease=None, state="PENDING")
        assert leases.finish(claimed(task), "FAILURE", "no")
        (_, finished), (retried, _) = race(
            ("finish", late, "SUCCESS"), ("job", "retry", owner.pk, job.pk)
        )
        assert (finished, retried) == (False, "done")
        assert_legal()
        assert state_of(task) == "PENDING"


def test_two_workers_on_one_task(race, fresh):
    for _ in ROUNDS:
        (task,) = tasks_of(fresh())
        (_, first), (_, second) = race(("claim", task.pk), ("claim", task.pk))
        assert bool(first) != bool(second)
        assert_legal()


def test_verify_twice(race, fresh, staff):
    for _ in ROUNDS:
        job = fresh(verified=False)
        move = ("job", "verify", staff.pk, job.pk)
        assert sorted(answer for answer, _ in race(move, move)) == ["Conflict", "done"]
        assert_legal()
        entries = AuditEntry.objects.filter(action="job.verify", object_id=str(job.pk))
        assert entries.count() == 1


def test_delete_of_a_task_against_claim(race, fresh, owner):
    for _ in ROUNDS:
        job = fresh(2)
        task = tasks_of(job)[0]
        (_, lease), (_, deleted) = race(
            ("claim", task.pk), ("tasks", "delete", owner.pk, [task.pk])
        )
        assert bool(lease) != bool(deleted)
        assert DicomTask.objects.filter(pk=task.pk).exists() == bool(lease)
        assert_legal()


def test_delete_of_a_job_against_claim(race, fresh, owner):
    for _ in ROUNDS:
        job = fresh(2)
        task = tasks_of(job)[0]
        (_, lease), (deleted, _) = race(("claim", task.pk), ("job", "delete", owner.pk, job.pk))
        assert bool(lease) == (deleted == "Conflict")
        assert DicomJob.objects.filter(pk=job.pk).exists() == bool(lease)
        assert_legal()


def test_kill_against_end(race, fresh, staff):
    for _ in ROUNDS:
        job = fresh()
        (task,) = tasks_of(job)
        lease = claimed(task)
        (_, finished), (_, killed) = race(
            ("finish", lease, "SUCCESS"), ("tasks", "kill", staff.pk, [task.pk])
        )
        assert finished != bool(killed)
        assert state_of(task) == ("SUCCESS" if finished else "FAILURE")
        assert_legal()


def test_kill_against_cancel_of_a_job_that_workers_have_yet_to_count(own_race, fresh, owner, staff):
    """A cancel and the kills of all that runs; then both workers count what they left uncounted."""
    own_race(("count_few",), ("count_few",))
    uncounted = 0
    for _ in ROUNDS:
        job = fresh(6, send_finished_mail=True)
        DicomServer.objects.update(max_tasks=6)
        dispatch()
        first, second, third, fourth, fifth, sixth = tasks_of(job)
        for task, other in ((first, second), (third, fourth)):
            moves = [("finish", claimed(one), "SUCCESS") for one in (task, other)]
            assert [done for _, done in own_race(*moves)] == [True, True]
        claimed(fifth)
        claimed(sixth)
        # Neither is done by a worker, which would have counted with it.
        with ThreadPoolExecutor(2) as executor:
            canceling = executor.submit(_in_thread, cancel_job, owner, job.pk)
            ids = [fifth.pk, sixth.pk]
            assert executor.submit(_in_thread, act_on_tasks, staff, "kill", ids).result(60).done
            # Who killed first has ended the job: there was nothing left to cancel.
            canceled = not isinstance(canceling.exception(60), Conflict)
        state = job_state(job)
        assert state == ("CANCELED" if canceled else "FAILURE")
        message = DicomJob.objects.get(pk=job.pk).message
        for _ in range(2):
            uncounted += sum(stale for _, stale in own_race(("derive_stale",), ("derive_stale",)))
            assert job_state(job) == state
        assert DicomJob.objects.get(pk=job.pk).message == message
        mails = ProcrastinateJob.objects.filter(queue_name="default", args__job_id=job.pk)
        assert sorted(row.args["mail"] for row in mails) == ["finished"]
        cancels = AuditEntry.objects.filter(action="job.cancel", object_id=str(job.pk))
        assert cancels.count() == canceled
    DicomServer.objects.update(max_tasks=2)
    assert uncounted


def test_reset_against_reset(race, fresh, owner):
    for _ in ROUNDS:
        job = fresh()
        (task,) = tasks_of(job)
        leases.finish(claimed(task), "FAILURE", "no")
        move = ("tasks", "reset", owner.pk, [task.pk])
        (_, first), (_, second) = race(move, move)
        assert len(first) + len(second) == 1
        assert_legal()


def test_resume_against_cancel(race, fresh, owner):
    for _ in ROUNDS:
        job = fresh(2)
        cancel_job(owner, job.pk)
        (resumed, _), (_, _) = race(
            ("job", "resume", owner.pk, job.pk), ("job", "cancel", owner.pk, job.pk)
        )
        assert resumed == "done"
        assert_legal()
        assert job_state(job) in ("PENDING", "CANCELED")


def test_urgent_against_claim(race, fresh, owner):
    for _ in ROUNDS:
        job = fresh(3)
        task = tasks_of(job)[0]
        (_, lease), (hurried, _) = race(("claim", task.pk), ("job", "set_urgent", owner.pk, job.pk))
        assert hurried == "done"
        assert_legal()
        # Whoever won, the slots are taken again.
        dispatch()
        assert DicomTask.objects.filter(queued__isnull=False).count() == 2


def test_suspend_against_dispatch(race, fresh):
    for _ in ROUNDS:
        job = fresh(3)
        DicomTask.objects.update(queued=None, queue_job_id=None)
        race(("suspend", True), ("dispatch",))
        assert [leases.claim(task.pk, "test") for task in tasks_of(job)] == [None] * 3
        assert_legal()
        DicomServer.objects.update(is_suspended=False)
        dispatch()
        assert DicomTask.objects.filter(queued__isnull=False).count() == 2


def test_bulk_against_bulk(race, fresh, owner, staff):
    for _ in ROUNDS:
        job = fresh(20)
        cancel_job(owner, job.pk)
        ids = [task.pk for task in tasks_of(job)]
        (_, first), (_, second) = race(
            ("tasks", "reset", owner.pk, ids[:15]), ("tasks", "reset", staff.pk, ids[5:][::-1])
        )
        assert sorted([*first, *second]) == ids
        assert_legal()


@pytest.mark.parametrize("take", [cancel_job, delete_job])
def test_who_takes_tasks_out_of_the_queue_and_the_dispatcher_do_not_wait_for_each_other(
    take, fresh, owner, staff, monkeypatch
):
    """The dispatcher takes back what gives way to the urgent, in the midst of a cancel."""
    job = fresh(2)
    urgent = scripted_job(owner, tasks_of(job)[0].source, ["", ""])
    DicomJob.objects.filter(pk=urgent.pk).update(urgent=True)
    withdrawn, withdraw = threading.Event(), queue.withdraw

    def slowly(tasks):
        withdraw(tasks)
        withdrawn.set()
        time.sleep(0.5)

    module = sys.modules[f"adit.core.jobs.actions.{take.name}"]
    monkeypatch.setattr(module, "withdraw", slowly)
    with ThreadPoolExecutor(1) as executor:
        taking = executor.submit(_in_thread, take, staff, job.pk)
        assert withdrawn.wait(30)
        dispatch()
        taking.result(30)
    assert job_state_or_gone(job) in ("CANCELED", None)
    assert {t.pk for t in DicomTask.objects.filter(queued__isnull=False)} == {
        t.pk for t in tasks_of(urgent)
    }


def job_state_or_gone(job):
    return DicomJob.objects.filter(pk=job.pk).values_list("state", flat=True).first()


def _in_thread(take, *arguments):
    try:
        return take(*arguments)
    finally:
        connection.close()


def test_dispatch_against_dispatch(race, fresh):
    for _ in ROUNDS:
        fresh(10)
        DicomTask.objects.update(queued=None, queue_job_id=None)
        delete_queue_rows()
        race(("dispatch",), ("dispatch",))
        assert_legal()
        assert ProcrastinateJob.objects.filter(queue_name="dicom").count() == 2


def test_sweep_against_end(race, fresh):
    """A run whose lease has lapsed ends while the sweep takes its task back."""
    for _ in ROUNDS:
        job = fresh()
        (task,) = tasks_of(job)
        lease = claimed(task)
        lapse()
        (_, finished), _ = race(("finish", lease, "SUCCESS"), ("sweep",))
        assert state_of(task) == ("SUCCESS" if finished else "PENDING")
        assert_legal()

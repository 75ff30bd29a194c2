"""What is offered can be done; who did what stands in the history and in the audit log."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from adit.audit.models import AuditEntry
from adit.core.factories import DicomFolderFactory
from adit.core.jobs import leases
from adit.core.jobs.actions import (
    JOB_ACTIONS,
    TASK_ACTIONS,
    Conflict,
    act_on_tasks,
    cancel_job,
    delete_task,
    fitting_actions,
    kill_task,
    reset_task,
    restart_job,
    resume_job,
    retry_job,
    set_urgent_job,
    verify_job,
)
from adit.core.models import DicomJob, DicomNode, DicomTask, JobArchive, TaskEvent

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def end(task, state):
    lease = leases.claim(task.pk, "test")
    assert lease
    assert leases.finish(lease, state, "")


@pytest.fixture
def closed_job(make_job, owner, tasks_of):
    """A job that has failed and whose archive is whole: nobody knows its password any more."""
    job = make_job(owner)
    end(tasks_of(job)[0], "FAILURE")
    folder = DicomNode.objects.get(pk=DicomFolderFactory().pk)
    JobArchive.objects.create(job_id=job.pk, node=folder, name="a.7z", state="DONE")
    job.refresh_from_db()
    return job


# Offered and refused


@pytest.mark.parametrize("action", ["retry", "restart", "resume", "retry_warned"])
def test_no_job_goes_on_whose_archive_is_closed(action, closed_job, staff):
    job = DicomJob.objects.get(pk=closed_job.pk)
    assert not JOB_ACTIONS[action].fits(job)
    with pytest.raises(Conflict):
        JOB_ACTIONS[action](staff, job.pk)


def test_the_reason_is_told(closed_job, owner, tasks_of):
    with pytest.raises(Conflict, match="Cannot retry job .*: the password of its archive is no"):
        retry_job(owner, closed_job.pk)
    (task,) = tasks_of(closed_job)
    with pytest.raises(Conflict, match="its job cannot go on: the password of its archive"):
        reset_task(owner, task.pk)


def test_one_job_that_cannot_go_on_holds_up_no_other(closed_job, owner, make_job, tasks_of):
    other = make_job(owner)
    end(tasks_of(other)[0], "FAILURE")
    tasks = [*tasks_of(closed_job), *tasks_of(other)]
    said, outcome = StringIO(), act_on_tasks(owner, "reset", [task.pk for task in tasks])
    assert outcome.done == [tasks[1].pk]
    ((refused, why),) = outcome.refused
    assert refused == tasks[0].pk
    assert why.startswith(f"Cannot reset task 1 of job {closed_job.pk}: its job cannot go on")
    end(DicomTask.objects.get(pk=tasks[1].pk), "FAILURE")
    ids = [task.pk for task in tasks]
    with pytest.raises(CommandError, match="(?s)its job cannot go on.*1 done, 1 refused"):
        call_command("task_action", "reset", *ids, user=owner.username, stdout=said)
    assert said.getvalue() == f"Task 1 of job {other.pk} is reset; it starts from the beginning.\n"


def test_a_conflict_of_one_job_that_nobody_foresaw_does_not_either(
    closed_job, owner, make_job, tasks_of, monkeypatch
):
    """The password may go between the look and the deed."""
    other = make_job(owner)
    end(tasks_of(other)[0], "FAILURE")
    action = TASK_ACTIONS["reset"]
    monkeypatch.setitem(action.__dict__, "job_fits", lambda job: "")
    ids = [tasks_of(closed_job)[0].pk, tasks_of(other)[0].pk]
    outcome = act_on_tasks(owner, "reset", ids)
    assert outcome.done == ids[1:]
    assert [pk for pk, _ in outcome.refused] == ids[:1]
    assert "password" in outcome.refused[0][1]
    assert DicomTask.objects.get(pk=ids[0]).state == "FAILURE"


def situations(make_job, owner, staff, tasks_of):
    """Jobs in all kinds of states, some of whose tasks have run before."""
    yield make_job(owner, verified=False)
    yield make_job(owner)
    yield make_job(owner, 3)
    ran = make_job(owner, 3)
    for task, state in zip(tasks_of(ran), ["SUCCESS", "FAILURE"], strict=False):
        end(task, state)
    yield ran
    handed_back = make_job(owner, 2)
    lease = leases.claim(tasks_of(handed_back)[0].pk, "test")
    assert lease and leases.hand_back(lease)
    yield handed_back
    reset = make_job(owner, 2)
    for task in tasks_of(reset):
        end(task, "WARNING")
    reset_task(owner, tasks_of(reset)[0].pk)
    yield reset
    canceling = make_job(owner, 2)
    assert leases.claim(tasks_of(canceling)[0].pk, "test")
    cancel_job(owner, canceling.pk)
    yield canceling
    canceled = make_job(owner, 2)
    cancel_job(owner, canceled.pk)
    yield canceled
    restarted = make_job(owner)
    end(tasks_of(restarted)[0], "SUCCESS")
    restart_job(staff, restarted.pk)
    yield restarted


def test_what_is_offered_on_a_task_can_be_done_and_the_rest_is_refused(
    make_job, owner, staff, tasks_of
):
    DicomNode.objects.get(name="SOURCE").dicomserver.__class__.objects.update(max_tasks=50)
    found = list(situations(make_job, owner, staff, tasks_of))
    offers = {}
    for job in found:
        job.refresh_from_db()
        offers |= fitting_actions(job, tasks_of(job))
    for job in found:
        for task in tasks_of(job):
            for name, action in TASK_ACTIONS.items():
                assert_as_offered(name in offers[task.pk], action, staff, task.pk)


def test_what_is_offered_on_a_job_can_be_done_and_the_rest_is_refused(
    make_job, owner, staff, tasks_of
):
    DicomNode.objects.get(name="SOURCE").dicomserver.__class__.objects.update(max_tasks=50)
    staff.is_superuser = True
    staff.save()
    staff = type(staff).objects.get(pk=staff.pk)
    for job in list(situations(make_job, owner, staff, tasks_of)):
        job.refresh_from_db()
        for action in JOB_ACTIONS.values():
            assert_as_offered(action.fits(job), action, staff, job.pk)


class _Undo(Exception):
    """Ends a transaction whose effect was seen."""


def assert_as_offered(offered, action, user, pk):
    from django.db import transaction

    try:
        with transaction.atomic():
            action(user, pk)
            done = True
            raise _Undo
    except Conflict:
        done = False
    except _Undo:
        pass
    assert done == offered, f"{action.name} on {pk}"


# History


def history(job):
    rows = TaskEvent.objects.filter(job_id=job.pk).order_by("pk")
    return [(row.task_id, row.text) for row in rows if " by " in row.text]


def test_the_history_of_a_job_tells_who_did_what(make_job, owner, staff, tasks_of, make_user):
    job = make_job(owner, 2, verified=False)
    staff = make_user(is_staff=True, is_superuser=True, username="sam")
    verify_job(staff, job.pk)
    set_urgent_job(staff, job.pk)
    cancel_job(owner, job.pk)
    resume_job(owner, job.pk)
    for task in tasks_of(job):
        end(task, "FAILURE")
    retry_job(owner, job.pk)
    for task in tasks_of(job):
        end(task, "SUCCESS")
    restart_job(staff, job.pk)
    me = owner.username
    assert history(job) == [
        (None, "Verified by sam."),
        (None, "Set urgent by sam."),
        (None, f"Canceled by {me}. 2 waiting tasks were canceled."),
        (None, f"Resumed by {me}. 2 canceled tasks go on."),
        (None, f"Retried by {me}. 2 failed tasks try again to deliver what is missing."),
        (None, "Restarted by sam. 2 tasks start from the beginning."),
    ]


def test_the_history_of_a_task_tells_who_did_what(make_job, owner, staff, tasks_of):
    job = make_job(owner, 3)
    first, second, third = tasks_of(job)
    assert leases.claim(first.pk, "test")
    kill_task(staff, first.pk)
    reset_task(owner, first.pk)
    act_on_tasks(owner, "delete", [second.pk, third.pk])
    assert history(job) == [
        (first.pk, f"Killed by {staff.username}."),
        (first.pk, f"Reset by {owner.username}."),
        (None, f"Deleted 2 tasks (2, 3) by {owner.username}."),
    ]


def test_a_refused_action_leaves_no_trace_in_the_history(make_job, owner):
    job = make_job(owner)
    with pytest.raises(Conflict):
        resume_job(owner, job.pk)
    assert history(job) == []


def test_a_job_with_a_history_can_be_deleted(make_job, owner, staff):
    job = make_job(owner, verified=False)
    verify_job(staff, job.pk)
    JOB_ACTIONS["delete"](owner, job.pk)
    assert not TaskEvent.objects.exists()


# Words


@pytest.mark.parametrize("number", [1, 2])
def test_words_count_right(number, make_job, owner, tasks_of):
    job = make_job(owner, number)
    said = cancel_job(owner, job.pk)
    assert said == ["1 waiting task was canceled.", "2 waiting tasks were canceled."][number - 1]
    said = resume_job(owner, job.pk)
    assert said == ["1 canceled task goes on.", "2 canceled tasks go on."][number - 1]


def test_refusals_are_whole_sentences(make_job, owner, staff):
    from django.core.exceptions import PermissionDenied

    job = make_job(owner)
    with pytest.raises(PermissionDenied, match="You may not make this job urgent."):
        set_urgent_job(owner, job.pk)
    with pytest.raises(Conflict, match=f"Cannot retry job {job.pk} with its warned tasks: it is"):
        JOB_ACTIONS["retry_warned"](staff, job.pk)


# Many at once


def test_many_tasks_take_as_few_statements_as_one_and_each_has_its_entry(make_job, owner, tasks_of):
    def reset(number):
        job = make_job(owner, number)
        DicomTask.objects.filter(job_id=job.pk).update(state="FAILURE", end=job.created)
        DicomJob.objects.filter(pk=job.pk).update(state="FAILURE", end=job.created)
        ids = [task.pk for task in tasks_of(job)]
        with CaptureQueriesContext(connection) as captured:
            outcome = act_on_tasks(owner, "reset", ids)
        assert outcome.done == ids
        return ids, len(captured)

    (one,), few = reset(1)
    ids, many = reset(300)
    assert many <= few
    entries = AuditEntry.objects.filter(action="task.reset", object_id__in=map(str, ids))
    assert len(entries) == 300
    alone = AuditEntry.objects.get(action="task.reset", object_id=str(one))
    for entry in entries:
        assert (entry.user, entry.username, entry.group, entry.object_type) == (
            alone.user,
            alone.username,
            alone.group,
            alone.object_type,
        )
    task = DicomTask.objects.get(pk=ids[7])
    entry = entries.get(object_id=str(task.pk))
    assert entry.outcome.startswith(f"Task {task.line} of job {task.job_id} is reset")
    assert TaskEvent.objects.filter(task_id__in=ids).count() == 300


def test_without_its_audit_entries_nothing_is_done(make_job, owner, tasks_of, monkeypatch):
    from adit.audit import listeners

    job = make_job(owner, 2)

    def fail(*_, **__):
        raise RuntimeError("the log is full")

    monkeypatch.setattr(listeners.AuditEntry.objects, "bulk_create", fail)
    with pytest.raises(RuntimeError):
        delete_task(owner, tasks_of(job)[0].pk)
    assert DicomTask.objects.filter(job_id=job.pk).count() == 2

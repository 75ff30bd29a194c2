from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.audit.models import AuditEntry
from adit.core.jobs import leases
from adit.core.jobs.actions import (
    TASK_ACTIONS,
    Conflict,
    NoSuchJob,
    act_on_tasks,
    cancel_job,
    delete_task,
    kill_task,
    reset_task,
    resume_job,
    retry_job,
    retry_warned_job,
    set_urgent_job,
    unset_urgent_job,
)
from adit.core.models import DicomServer, DicomTask, SeriesTransfer, TaskEvent
from adit.selective_transfer.models import SelectiveTransferTask

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def end(task, state):
    lease = leases.claim(task.pk, "test")
    assert lease
    assert leases.finish(lease, state, "")


@pytest.fixture
def hurried(make_user):
    """A user who may process urgently."""
    user = make_user()
    user.user_permissions.add(Permission.objects.get(codename="can_process_urgently"))
    return type(user).objects.get(pk=user.pk)


def queued_tasks():
    rows = ProcrastinateJob.objects.filter(queue_name="dicom", status="todo")
    return {row.args["task_id"]: row.priority for row in rows}


# One task


def test_a_waiting_task_is_deleted_with_its_own_columns_and_its_row_in_the_queue(
    owner, make_job, tasks_of
):
    first, second = tasks_of(make_job(owner, tasks=2))
    assert delete_task(owner, first.pk) == f"Task 1 of job {first.job_id} is deleted."
    assert list(SelectiveTransferTask.objects.values_list("pk", flat=True)) == [second.pk]
    assert set(queued_tasks()) == {second.pk}


def test_the_last_task_of_a_job_stays_and_the_reason_is_told(owner, make_job, tasks_of):
    (task,) = tasks_of(make_job(owner))
    with pytest.raises(Conflict, match="last task of its job; delete or cancel the job"):
        delete_task(owner, task.pk)


def test_a_job_whose_last_open_task_is_deleted_has_ended(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    first, second = tasks_of(job)
    end(first, "SUCCESS")
    delete_task(owner, second.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == ("SUCCESS", "1 of 1 succeeded")
    assert job.end


@pytest.mark.parametrize("ran", ["and was reset", "and waits to try again"])
def test_a_task_that_ran_and_waits_is_deleted_and_the_history_tells_what_it_did(
    ran, owner, make_job, tasks_of
):
    task, waiting = tasks_of(make_job(owner, tasks=2))
    if ran == "and was reset":
        end(task, "SUCCESS")
        reset_task(owner, task.pk)
    else:
        lease = leases.claim(task.pk, "test")
        assert lease is not None
        leases.wait_and_retry(lease, 0, "The peer is away.")
        DicomTask.objects.filter(pk=task.pk).update(instances_done=12)
    task.refresh_from_db()
    assert task.state == "PENDING"
    delete_task(owner, task.pk)
    assert DicomTask.objects.get() == waiting
    told = TaskEvent.objects.filter(task=None).latest("pk").text
    assert f"Deleted 1 task (1) by {owner.username}." in told
    assert ("12 instances that it had done stay delivered." in told) == (ran != "and was reset")


def test_a_running_task_cannot_be_deleted(owner, make_job, tasks_of):
    task, _ = tasks_of(make_job(owner, tasks=2))
    leases.claim(task.pk, "test")
    with pytest.raises(
        Conflict, match=f"Cannot delete task {task.line} of job {task.job_id}: it is in progress"
    ):
        delete_task(owner, task.pk)


@pytest.mark.parametrize("state", ["SUCCESS", "WARNING", "FAILURE", "CANCELED"])
def test_an_ended_task_is_reset_and_its_job_goes_on(state, owner, make_job, tasks_of):
    job = make_job(owner)
    (task,) = tasks_of(job)
    SeriesTransfer.objects.create(task=task, series_instance_uid="1.2")
    end(task, state)
    reset_task(owner, task.pk)
    task.refresh_from_db()
    job.refresh_from_db()
    assert (task.state, task.attempts, task.start, job.state, job.end) == (
        "PENDING",
        0,
        None,
        "PENDING",
        None,
    )
    assert task.queued
    assert not SeriesTransfer.objects.exists()


def test_a_reset_leaves_the_other_tasks_as_they_are(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    cancel_job(owner, job.pk)
    first, second = tasks_of(job)
    reset_task(owner, first.pk)
    assert [t.state for t in tasks_of(job)] == ["PENDING", "CANCELED"]


def test_no_task_of_a_job_that_is_being_canceled_is_reset(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    first, second = tasks_of(job)
    end(first, "FAILURE")
    leases.claim(second.pk, "test")
    cancel_job(owner, job.pk)
    with pytest.raises(Conflict, match="its job is being canceled"):
        reset_task(owner, first.pk)


def test_staff_kills_a_running_task_and_its_run_loses_the_lease(owner, staff, make_job, tasks_of):
    job = make_job(owner)
    (task,) = tasks_of(job)
    lease = leases.claim(task.pk, "test")
    assert lease
    kill_task(staff, task.pk)
    task.refresh_from_db()
    job.refresh_from_db()
    assert (task.state, task.message, job.state) == ("FAILURE", "Killed by staff.", "FAILURE")
    assert leases.renew(lease) is leases.LeaseStatus.LOST
    assert not leases.finish(lease, "SUCCESS", "too late")
    event = TaskEvent.objects.get(task=task, level="error")
    assert event.text == f"Killed by {staff.username}."


def test_a_killed_task_of_a_job_that_is_being_canceled_is_canceled(
    owner, staff, make_job, tasks_of
):
    job = make_job(owner)
    (task,) = tasks_of(job)
    leases.claim(task.pk, "test")
    cancel_job(owner, job.pk)
    kill_task(staff, task.pk)
    task.refresh_from_db()
    job.refresh_from_db()
    assert (task.state, job.state) == ("CANCELED", "CANCELED")


def test_only_staff_kills(owner, make_job, tasks_of):
    (task,) = tasks_of(make_job(owner))
    leases.claim(task.pk, "test")
    with pytest.raises(PermissionDenied):
        kill_task(owner, task.pk)


@pytest.mark.parametrize("name", list(TASK_ACTIONS))
def test_a_task_of_another_user_is_as_if_it_were_not_there(
    name, owner, make_user, make_job, tasks_of
):
    (task,) = tasks_of(make_job(owner))
    for task_id in (task.pk, 10**9):
        with pytest.raises(NoSuchJob, match=f"There is no task {task_id}."):
            TASK_ACTIONS[name](make_user(), task_id)


@pytest.mark.parametrize(
    ("name", "state"), [("reset", "PENDING"), ("kill", "PENDING"), ("delete", "IN_PROGRESS")]
)
def test_what_is_not_available_is_a_conflict(name, state, owner, staff, make_job, tasks_of):
    task, _ = tasks_of(make_job(owner, tasks=2))
    if state == "IN_PROGRESS":
        leases.claim(task.pk, "test")
    task = DicomTask.objects.select_related("job").get(pk=task.pk)
    assert not TASK_ACTIONS[name].available(staff, task)
    with pytest.raises(Conflict):
        TASK_ACTIONS[name](staff, task.pk)


# Many tasks


def test_what_fits_is_done_and_the_rest_is_refused_with_the_reason(
    owner, make_user, make_job, tasks_of
):
    DicomServer.objects.update(max_tasks=10)
    first, second, third = tasks_of(make_job(owner, tasks=3))
    (foreign,) = tasks_of(make_job(make_user()))
    assert leases.claim(second.pk, "test")
    outcome = act_on_tasks(owner, "delete", [first.pk, second.pk, foreign.pk, 10**9, first.pk])
    assert outcome.done == [first.pk]
    assert sorted(outcome.refused) == [
        (second.pk, f"Cannot delete task {second.line} of job {second.job_id}: it is in progress."),
        (foreign.pk, f"There is no task {foreign.pk}."),
        (10**9, "There is no task 1000000000."),
    ]
    entries = AuditEntry.objects.filter(action="task.delete")
    assert [entry.object_id for entry in entries] == [str(first.pk)]


def test_of_all_tasks_of_a_job_the_last_is_not_deleted(owner, make_job, tasks_of):
    job = make_job(owner, tasks=3)
    ids = [task.pk for task in tasks_of(job)]
    outcome = act_on_tasks(owner, "delete", ids)
    assert outcome.done == ids[:2]
    assert [pk for pk, _ in outcome.refused] == ids[2:]


def test_a_thousand_tasks_are_reset_with_few_statements_besides_their_audit_entries(
    owner, make_job, tasks_of, django_assert_max_num_queries
):
    job = make_job(owner, tasks=100)
    cancel_job(owner, job.pk)
    ids = [task.pk for task in tasks_of(job)]
    with django_assert_max_num_queries(100 + 40):
        assert len(act_on_tasks(owner, "reset", ids).done) == 100


# Urgency


def test_an_urgent_job_takes_the_place_of_what_was_handed_to_the_queue(hurried, make_job, tasks_of):
    waiting = make_job(hurried, tasks=2)
    job = make_job(hurried, tasks=1)
    assert set(queued_tasks()) == {task.pk for task in tasks_of(waiting)}
    set_urgent_job(hurried, job.pk)
    (urgent,) = tasks_of(job)
    assert max(queued_tasks(), key=queued_tasks().__getitem__) == urgent.pk
    assert len(queued_tasks()) == 2


def test_the_place_of_a_queued_task_follows_its_job(hurried, make_job, tasks_of):
    DicomServer.objects.update(max_tasks=4)
    (first,), (second,) = tasks_of(make_job(hurried)), tasks_of(job := make_job(hurried))

    def order():
        return sorted(queued_tasks(), key=queued_tasks().__getitem__, reverse=True)

    assert order() == [first.pk, second.pk]
    set_urgent_job(hurried, job.pk)
    assert order() == [second.pk, first.pk]
    unset_urgent_job(hurried, job.pk)
    assert order() == [first.pk, second.pk]


def test_without_the_permission_no_owner_hurries(owner, make_job):
    job = make_job(owner)
    with pytest.raises(PermissionDenied):
        set_urgent_job(owner, job.pk)


def test_staff_has_urgent_jobs_without_the_permission(owner, staff, make_job):
    assert make_job(staff, urgent=True).urgent
    job = make_job(owner)
    set_urgent_job(staff, job.pk)
    job.refresh_from_db()
    assert job.urgent


@pytest.mark.parametrize("action", [resume_job, retry_job, reset_task])
def test_who_lost_the_permission_goes_on_without_urgency_and_is_told(
    action, hurried, make_job, tasks_of
):
    job = make_job(hurried, urgent=True)
    (task,) = tasks_of(job)
    hurried.user_permissions.remove(Permission.objects.get(codename="can_process_urgently"))
    owner = type(hurried).objects.get(pk=hurried.pk)
    if action is resume_job:
        cancel_job(owner, job.pk)
    else:
        lease = leases.claim(task.pk, "worker")
        assert lease and leases.finish(lease, "FAILURE", "")
    outcome = action(owner, task.pk if action is reset_task else job.pk)
    told = f"Job {job.pk} is not urgent any more: {owner.get_username()} may not have urgent jobs."
    assert told in outcome
    job.refresh_from_db()
    assert (job.state, job.urgent) in [("PENDING", False), ("IN_PROGRESS", False)]
    assert TaskEvent.objects.filter(job=job, task=None, text=told).count() == 1


def test_staff_resumes_an_urgent_job_as_urgent(hurried, staff, make_job):
    job = make_job(hurried, urgent=True)
    cancel_job(hurried, job.pk)
    assert "urgent" not in resume_job(staff, job.pk)
    job.refresh_from_db()
    assert job.urgent


def test_staff_calms_an_urgent_job(hurried, staff, make_job):
    job = make_job(hurried, urgent=True)
    unset_urgent_job(staff, job.pk)
    job.refresh_from_db()
    assert not job.urgent
    with pytest.raises(Conflict, match="it is not urgent"):
        unset_urgent_job(staff, job.pk)


def test_a_job_that_has_ended_is_not_hurried(hurried, make_job, tasks_of):
    job = make_job(hurried)
    end(tasks_of(job)[0], "SUCCESS")
    with pytest.raises(Conflict, match="it has succeeded"):
        set_urgent_job(hurried, job.pk)


# Retry


def test_retry_leaves_warned_tasks_alone_unless_they_are_asked_for(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    first, second = tasks_of(job)
    end(first, "WARNING")
    end(second, "FAILURE")
    retry_job(owner, job.pk)
    assert [t.state for t in tasks_of(job)] == ["WARNING", "PENDING"]
    end(second, "FAILURE")
    retry_warned_job(owner, job.pk)
    assert [t.state for t in tasks_of(job)] == ["PENDING", "PENDING"]


def test_retry_of_a_job_with_warnings_only_takes_the_warned_tasks(owner, make_job, tasks_of):
    job = make_job(owner)
    end(tasks_of(job)[0], "WARNING")
    retry_job(owner, job.pk)
    assert tasks_of(job)[0].state == "PENDING"


# The command line


def test_the_command_line_does_the_same(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    first, second = tasks_of(job)
    said = StringIO()
    call_command("task_action", "delete", first.pk, user=owner.username, stdout=said)
    call_command("job_action", "cancel", job.pk, user=owner.username, stdout=said)
    assert said.getvalue().splitlines() == [
        f"Task 1 of job {first.job_id} is deleted.",
        "1 waiting task was canceled.",
    ]


def test_the_command_line_tells_why_not(owner, make_user, make_job, tasks_of):
    job = make_job(owner)
    (task,) = tasks_of(job)
    with pytest.raises(CommandError, match="it is pending"):
        call_command("job_action", "resume", job.pk, user=owner.username)
    with pytest.raises(CommandError, match="There is no job"):
        call_command("job_action", "cancel", job.pk, user=make_user().username)
    with pytest.raises(CommandError, match="There is no active user nobody"):
        call_command("job_action", "cancel", job.pk, user="nobody")
    with pytest.raises(CommandError, match="it is pending"):
        call_command("task_action", "reset", task.pk, user=owner.username)

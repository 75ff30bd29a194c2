import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.core.factories import DeidProfileFactory
from adit.core.jobs import leases
from adit.core.jobs.actions import (
    JOB_ACTIONS,
    Conflict,
    NoSuchJob,
    act_on_tasks,
    action_done,
    cancel_job,
    delete_job,
    restart_job,
    resume_job,
    retry_job,
    verify_job,
)
from adit.core.models import DeidProfile, DicomJob, DicomTask, SeriesTransfer
from adit.selective_transfer.models import SelectiveTransferTask

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def end_with(job, *states):
    for task, state in zip(DicomTask.objects.filter(job=job).order_by("pk"), states, strict=True):
        lease = leases.claim(task.pk, "test")
        assert lease
        assert leases.finish(lease, state, "")
    job.refresh_from_db()


def test_a_new_job_is_stored_with_its_tasks_and_dispatched(owner, make_job, tasks_of):
    job = make_job(owner, tasks=3)
    assert job.state == "PENDING"
    assert [t.patient_id for t in SelectiveTransferTask.objects.order_by("line")] == [
        "P0",
        "P1",
        "P2",
    ]
    # The source takes two tasks at once, so two are queued.
    assert [bool(t.queued) for t in tasks_of(job)] == [True, True, False]
    assert ProcrastinateJob.objects.filter(queue_name="dicom").count() == 2


def test_an_unverified_job_waits_for_staff(owner, staff, make_job, tasks_of):
    job = make_job(owner, verified=False)
    assert job.state == "UNVERIFIED"
    assert not tasks_of(job)[0].queued
    with pytest.raises(PermissionDenied):
        verify_job(owner, job.pk)
    verify_job(staff, job.pk)
    job.refresh_from_db()
    assert job.state == "PENDING"
    assert tasks_of(job)[0].queued


def test_a_user_without_the_permission_cannot_create_a_job(owner, make_job):
    owner.user_permissions.clear()
    owner = type(owner).objects.get(pk=owner.pk)
    with pytest.raises(PermissionDenied, match="kind Selective Transfer"):
        make_job(owner)


def test_a_source_of_another_group_is_refused(owner, make_job):
    owner.active_group.node_accesses.all().delete()
    with pytest.raises(PermissionDenied, match="source"):
        make_job(owner)


def test_without_pseudonym_the_permission_counts(owner, make_job):
    owner.user_permissions.remove(
        *owner.user_permissions.filter(codename="can_transfer_unpseudonymized")
    )
    owner = type(owner).objects.get(pk=owner.pk)
    with pytest.raises(PermissionDenied, match="pseudonym"):
        make_job(owner)


def test_a_profile_of_another_group_is_refused(owner, make_job):
    profile = DeidProfileFactory()
    profile.groups.add(Group.objects.create(name="Others"))
    with pytest.raises(PermissionDenied, match="profile"):
        make_job(owner, profile=profile)

    profile.groups.add(owner.active_group)
    assert make_job(owner, profile=profile).pk


def test_an_older_version_of_a_profile_is_refused(owner, make_job):
    older = DeidProfileFactory(name="Two", version=1)
    DeidProfileFactory(name="Two", version=2)
    with pytest.raises(PermissionDenied, match="newer"):
        make_job(owner, profile=older)


def test_cancel_ends_waiting_tasks_at_once(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    cancel_job(owner, job.pk)
    job.refresh_from_db()
    assert job.state == "CANCELED"
    assert job.end
    assert {t.state for t in tasks_of(job)} == {"CANCELED"}


def test_cancel_tells_running_tasks_to_stop(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    running, waiting = tasks_of(job)
    lease = leases.claim(running.pk, "test")
    assert lease
    cancel_job(owner, job.pk)
    job.refresh_from_db()
    assert job.state == "CANCELING"
    assert leases.renew(lease) is leases.LeaseStatus.CANCEL
    leases.finish(lease, "CANCELED", "")
    job.refresh_from_db()
    assert job.state == "CANCELED"


def test_a_canceled_task_cannot_be_claimed(owner, make_job, tasks_of):
    job = make_job(owner)
    cancel_job(owner, job.pk)
    assert leases.claim(tasks_of(job)[0].pk, "test") is None


def test_resume_lets_canceled_tasks_go_on(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    cancel_job(owner, job.pk)
    resume_job(owner, job.pk)
    job.refresh_from_db()
    assert job.state == "PENDING"
    assert job.end is None
    assert all(t.queued for t in tasks_of(job))


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "WARNING"])
def test_canceled_tasks_of_a_job_that_went_on_without_them_are_reset_and_not_resumed(
    owner, make_job, tasks_of, state
):
    job = make_job(owner, tasks=3)
    cancel_job(owner, job.pk)
    first = tasks_of(job)[0]
    act_on_tasks(owner, "reset", [first.pk])
    lease = leases.claim(first.pk, "test")
    assert lease and leases.finish(lease, state, "")
    job.refresh_from_db()
    assert job.state == state
    assert not resume_job.available(owner, job)
    with pytest.raises(Conflict):
        resume_job(owner, job.pk)
    act_on_tasks(owner, "reset", [task.pk for task in tasks_of(job)[1:]])
    assert [task.state for task in tasks_of(job)] == [state, "PENDING", "PENDING"]
    job.refresh_from_db()
    assert job.state == "IN_PROGRESS"


def test_retry_takes_failed_and_warned_tasks_only(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    end_with(job, "SUCCESS", "FAILURE")
    assert job.state == "FAILURE"
    retry_job(owner, job.pk)
    job.refresh_from_db()
    assert [t.state for t in tasks_of(job)] == ["SUCCESS", "PENDING"]
    assert job.state == "IN_PROGRESS"


def test_restart_forgets_the_ledger(owner, staff, make_job, tasks_of):
    job = make_job(owner)
    SeriesTransfer.objects.create(task=tasks_of(job)[0], series_instance_uid="1.2")
    end_with(job, "SUCCESS")
    with pytest.raises(PermissionDenied):
        restart_job(owner, job.pk)
    restart_job(staff, job.pk)
    assert not SeriesTransfer.objects.exists()
    assert tasks_of(job)[0].state == "PENDING"


def test_a_job_that_has_started_cannot_be_deleted(owner, make_job, tasks_of):
    job = make_job(owner)
    leases.claim(tasks_of(job)[0].pk, "test")
    with pytest.raises(Conflict, match="in progress"):
        delete_job(owner, job.pk)


@pytest.mark.parametrize("again", ["reset", "restart"])
def test_a_job_that_ran_cannot_be_deleted_after_all_of_it_was_put_back(
    again, owner, staff, make_job, tasks_of
):
    job = make_job(owner, tasks=2)
    end_with(job, "SUCCESS", "SUCCESS")
    if again == "reset":
        act_on_tasks(owner, "reset", [task.pk for task in tasks_of(job)])
    else:
        restart_job(staff, job.pk)
    job.refresh_from_db()
    assert job.state == "PENDING"
    with pytest.raises(Conflict, match="it was started before, and what it did stays on record"):
        delete_job(owner, job.pk)
    assert DicomJob.objects.filter(pk=job.pk).exists()


def test_the_first_start_of_a_job_outlives_a_restart(owner, staff, make_job):
    job = make_job(owner)
    end_with(job, "SUCCESS")
    first = job.start
    restart_job(staff, job.pk)
    job.refresh_from_db()
    assert job.start == first
    end_with(job, "SUCCESS")
    assert job.start == first


def test_delete_takes_the_tasks_along(owner, make_job):
    job = make_job(owner)
    delete_job(owner, job.pk)
    assert not DicomJob.objects.exists()
    assert not SelectiveTransferTask.objects.exists()


def test_the_statements_of_a_delete_do_not_grow_with_the_tasks(
    owner, make_job, django_assert_max_num_queries
):
    job, other = make_job(owner, tasks=600), make_job(owner)
    with django_assert_max_num_queries(60):
        delete_job(owner, job.pk)
    assert [task.job_id for task in SelectiveTransferTask.objects.all()] == [other.pk]


@pytest.mark.parametrize("name", list(JOB_ACTIONS))
def test_a_job_of_another_user_is_as_if_it_were_not_there(name, owner, make_user, make_job):
    job = make_job(owner)
    with pytest.raises(NoSuchJob):
        JOB_ACTIONS[name](make_user(), job.pk)


@pytest.mark.parametrize("name", ["resume", "retry", "restart", "verify"])
def test_an_action_that_does_not_fit_says_the_state_in_words(name, owner, staff, make_job):
    job = make_job(owner)
    with pytest.raises(Conflict, match="it is pending"):
        JOB_ACTIONS[name](staff, job.pk)


def test_every_action_is_announced_within_its_transaction(owner, make_job):
    job = make_job(owner)
    heard = []

    def listen(sender, **said):
        heard.append((said["action"], said["user"], said["object"].pk))
        raise RuntimeError("the audit log is full")

    action_done.connect(listen)
    try:
        with pytest.raises(RuntimeError):
            cancel_job(owner, job.pk)
    finally:
        action_done.disconnect(listen)
    job.refresh_from_db()
    assert heard == [("job.cancel", owner, job.pk)]
    assert job.state == "PENDING"


def close(profile, how, owner):
    """The profile is not offered to the owner's group any more."""
    if how == "retired":
        DeidProfile.objects.filter(pk=profile.pk).update(is_active=False)
    elif how == "closed":
        profile.groups.set([Group.objects.create(name="Others")])
    else:
        active = how == "closed by a newer version"
        newer = DeidProfileFactory(name=profile.name, version=profile.version + 1, is_active=active)
        newer.groups.set([Group.objects.create(name="Others")])


REFUSALS = {
    "retired": "is retired",
    "closed": "is not open to its group any more",
    "closed by a newer version": "is not open to its group any more",
    "closed by a retired version": "is not open to its group any more",
}


@pytest.mark.parametrize("how", REFUSALS)
@pytest.mark.parametrize("action", ["retry", "restart", "retry_warned"])
def test_a_job_whose_profile_was_closed_does_not_run_again(owner, staff, make_job, action, how):
    profile = DeidProfileFactory()
    job = make_job(owner, tasks=2, profile=profile)
    end_with(job, "FAILURE", "WARNING")
    close(profile, how, owner)

    with pytest.raises(Conflict, match=REFUSALS[how]):
        JOB_ACTIONS[action](staff, job.pk)

    job.refresh_from_db()
    assert job.state == "FAILURE"
    assert not JOB_ACTIONS[action].available(staff, DicomJob.objects.get(pk=job.pk))


def test_a_task_whose_profile_was_closed_is_not_reset(owner, make_job, tasks_of):
    profile = DeidProfileFactory()
    job = make_job(owner, profile=profile)
    end_with(job, "FAILURE")
    close(profile, "retired", owner)

    outcome = act_on_tasks(owner, "reset", [tasks_of(job)[0].pk])

    assert not outcome.done and "is retired" in outcome.refused[0][1]


def test_a_canceled_job_whose_profile_was_closed_does_not_go_on(owner, make_job):
    profile = DeidProfileFactory()
    job = make_job(owner, profile=profile)
    cancel_job(owner, job.pk)
    close(profile, "closed", owner)

    with pytest.raises(Conflict, match="is not open to its group any more"):
        resume_job(owner, job.pk)


def test_the_command_line_says_why_a_job_does_not_run_again(owner, make_job):
    profile = DeidProfileFactory(name="Lung")
    job = make_job(owner, profile=profile)
    end_with(job, "FAILURE")
    close(profile, "retired", owner)

    with pytest.raises(CommandError, match="the profile Lung.* is retired"):
        call_command("job_action", "retry", str(job.pk), user=owner.get_username())


def test_a_job_of_an_older_version_that_is_still_offered_is_retried(owner, make_job):
    profile = DeidProfileFactory()
    job = make_job(owner, profile=profile)
    end_with(job, "FAILURE")
    DeidProfileFactory(name=profile.name, version=profile.version + 1)

    assert "tries again" in retry_job(owner, job.pk)

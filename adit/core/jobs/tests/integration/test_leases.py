from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from adit.core.dicom import CancelToken
from adit.core.jobs import leases
from adit.core.jobs.actions import cancel_job
from adit.core.jobs.child import Outcome, _work
from adit.core.jobs.conclusion import conclude
from adit.core.jobs.mails import send_mail_about
from adit.core.jobs.queue import Mail
from adit.core.jobs.sweep import sweep
from adit.core.jobs.tests.integration.scripted import lapse
from adit.core.models import DicomTask, TaskEvent

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def job(owner, make_job):
    return make_job(owner)


@pytest.fixture
def task(job):
    return DicomTask.objects.get(job=job)


@pytest.fixture
def lease(task):
    lease = leases.claim(task.pk, "worker 1")
    assert lease
    return lease


def test_a_task_is_claimed_once(task, lease):
    assert leases.claim(task.pk, "worker 2") is None
    task.refresh_from_db()
    assert (task.state, task.attempts, task.worker) == ("IN_PROGRESS", 1, "worker 1")


def test_a_run_that_lost_its_lease_changes_nothing(task, lease):
    lapse(pk=task.pk)
    sweep()
    assert not leases.finish(lease, "SUCCESS", "too late")
    assert leases.renew(lease) is leases.LeaseStatus.LOST
    assert not leases.report_progress(lease, instances_done=5)
    task.refresh_from_db()
    assert (task.state, task.instances_done) == ("PENDING", 0)


def test_a_task_whose_worker_is_gone_waits_again_and_is_queued(task, lease):
    lapse(pk=task.pk)
    sweep()
    task.refresh_from_db()
    assert (task.state, task.crashes) == ("PENDING", 1)
    assert task.queued
    assert leases.claim(task.pk, "worker 2")


def test_a_lease_that_holds_is_left_alone(task, lease):
    sweep()
    assert leases.renew(lease) is leases.LeaseStatus.HELD


def test_a_task_that_kills_its_worker_three_times_fails_and_says_so(task):
    for _ in range(3):
        assert leases.claim(task.pk, "worker")
        lapse(pk=task.pk)
        sweep()
    task.refresh_from_db()
    assert task.state == "FAILURE"
    assert "it was interrupted 3 times" in task.message


def test_a_transient_failure_waits_and_the_third_is_the_last(task, settings):
    settings.TASK_RETRY_WAITS = [0]
    for attempt in (1, 2, 3):
        lease = leases.claim(task.pk, "worker")
        assert lease, attempt
        conclude(lease, Outcome("transient", "no answer", "WARNING"))
        sweep()
    task.refresh_from_db()
    assert (task.state, task.attempts) == ("WARNING", 3)
    assert task.message == "no answer (failed 3 times)"


def test_a_task_that_waits_for_its_next_attempt_is_not_dispatched(task, lease, settings):
    settings.TASK_RETRY_WAITS = [120]
    conclude(lease, Outcome("transient", "no answer", "FAILURE"))
    sweep()
    task.refresh_from_db()
    assert task.state == "PENDING"
    assert task.not_before > timezone.now() + timedelta(seconds=100)
    assert task.queued is None


def test_a_job_whose_only_task_waits_for_its_next_attempt_is_still_in_progress(
    task, lease, job, settings
):
    settings.TASK_RETRY_WAITS = [120]
    conclude(lease, Outcome("transient", "no answer", "FAILURE"))
    job.refresh_from_db()
    assert (job.state, job.end) == ("IN_PROGRESS", None)


@pytest.mark.parametrize("kind", ["transient", "crashed", "done"])
def test_an_end_of_a_task_that_is_gone_changes_nothing(task, lease, kind):
    TaskEvent.objects.all().delete()
    task.delete()
    conclude(lease, Outcome(kind, "no answer", "FAILURE"))
    assert not TaskEvent.objects.exists()


def test_a_permanent_failure_ends_at_once(task, lease):
    conclude(lease, Outcome("permanent", "no such study"))
    task.refresh_from_db()
    assert (task.state, task.message) == ("FAILURE", "no such study")


def test_a_task_that_fails_while_its_job_is_canceled_does_not_run_again(task, lease, job, owner):
    cancel_job(owner, job.pk)
    conclude(lease, Outcome("transient", "no answer", "FAILURE"))
    task.refresh_from_db()
    job.refresh_from_db()
    assert (task.state, job.state) == ("CANCELED", "CANCELED")
    assert task.message == "Canceled."


def test_a_task_handed_back_has_used_no_attempt(task, lease):
    leases.hand_back(lease)
    task.refresh_from_db()
    assert (task.state, task.attempts) == ("PENDING", 0)


def test_a_database_that_was_away_counts_neither_as_attempt_nor_as_crash(task):
    for _ in range(4):
        lease = leases.claim(task.pk, "worker")
        assert lease
        conclude(lease, Outcome("interrupted", "The database was away."))
        sweep()
    task.refresh_from_db()
    assert (task.state, task.attempts, task.crashes) == ("PENDING", 0, 0)


def test_a_connection_beside_djangos_that_breaks_is_no_error_of_the_task(owner, make_job):
    task = DicomTask.objects.get(job=make_job(owner))
    DicomTask.objects.filter(pk=task.pk).update(protocol="unplug")
    lease = leases.claim(task.pk, "worker")
    assert lease
    assert _work(lease, CancelToken()) == ("interrupted", "The database was away.", "")


def test_a_task_without_a_process_waits_a_little_and_says_for_what(task, lease):
    conclude(lease, Outcome("no_process", "Its process could not be started."))
    task.refresh_from_db()
    assert (task.state, task.attempts, task.crashes) == ("PENDING", 0, 0)
    assert task.waits_for.startswith("waits for a process on ")
    assert task.not_before > timezone.now() + timedelta(seconds=2)


def test_a_crash_takes_no_attempt_from_a_task(task, settings):
    settings.TASK_RETRY_WAITS = [0]
    lease = leases.claim(task.pk, "worker")
    assert lease
    conclude(lease, Outcome("crashed", "Its process died."))
    sweep()
    for _ in range(3):
        lease = leases.claim(task.pk, "worker")
        assert lease
        conclude(lease, Outcome("transient", "no answer", "FAILURE"))
        sweep()
    task.refresh_from_db()
    assert (task.state, task.crashes) == ("FAILURE", 1)


def test_an_orphan_of_the_queue_is_queued_again(task):
    long_ago = timezone.now() - timedelta(minutes=1)
    DicomTask.objects.filter(pk=task.pk).update(queued=long_ago, queue_job_id=99999999)
    sweep()
    task.refresh_from_db()
    assert task.queue_job_id != 99999999
    assert task.queued > long_ago


def test_the_history_tells_what_happened(task, lease):
    conclude(lease, Outcome("done", "3 of 3 instances confirmed", "SUCCESS"))
    texts = list(TaskEvent.objects.filter(task=task).values_list("text", flat=True))
    assert texts == ["Started on worker 1, attempt 1.", "3 of 3 instances confirmed"]


def test_the_end_of_a_job_is_mailed_if_asked(owner, make_job):
    job = make_job(owner, send_finished_mail=True)
    lease = leases.claim(DicomTask.objects.get(job=job).pk, "worker")
    assert lease
    conclude(lease, Outcome("done", "all there", "SUCCESS"))
    from procrastinate.contrib.django.models import ProcrastinateJob

    assert ProcrastinateJob.objects.get(queue_name="default").args == {
        "job_id": job.pk,
        "mail": "finished",
        "state": "SUCCESS",
        "message": "1 of 1 succeeded",
    }


def test_the_mail_holds_the_link_and_no_identifier(owner, make_job):
    job = make_job(owner)
    send_mail_about(Mail.FINISHED, job.pk, "SUCCESS")
    (message,) = mail.outbox
    assert job.get_absolute_url() in message.body
    assert "P0" not in message.body

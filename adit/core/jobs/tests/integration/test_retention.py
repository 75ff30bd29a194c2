"""What is deleted when its time is over, and what stays."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from adit.core.jobs import retention
from adit.core.jobs.sweep import sweep_once
from adit.core.jobs.tests.integration.scripted import tasks_of
from adit.core.models import DicomJob, DicomTask, SeriesTransfer, TaskEvent
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def due(settings, monkeypatch):
    """Jobs are kept for 30 days, logs for 10, and the next look is due."""
    settings.JOB_RETENTION_DAYS, settings.TASK_LOG_DAYS = 30, 10
    monkeypatch.setattr(retention, "_next_time", 0.0)


@pytest.fixture
def ended_job(owner, make_job):
    """Make a job whose two tasks ended so many days ago."""

    def make(days, state="SUCCESS"):
        job = make_job(owner, 2)
        end = timezone.now() - timedelta(days=days)
        DicomTask.objects.filter(job=job).update(
            state=state, end=end, log="raw log", queued=None, queue_job_id=None
        )
        DicomJob.objects.filter(pk=job.pk).update(state=state, end=end)
        for task in tasks_of(job):
            SeriesTransfer.objects.create(task=task, series_instance_uid="1.2.3")
            TaskEvent.objects.create(task=task, text="Done.")
        return job

    return make


@pytest.mark.parametrize("state", DicomJob.ENDED)
def test_a_job_past_its_retention_is_deleted_with_all_that_belongs_to_it(ended_job, state):
    ended_job(31, state)
    assert retention.keep_house()
    for model in (
        *(DicomJob, SelectiveTransferJob, DicomTask, SelectiveTransferTask),
        *(SeriesTransfer, TaskEvent),
    ):
        assert not model.objects.exists(), model


@pytest.mark.django_db(transaction=True)
def test_a_sweep_of_a_worker_keeps_house_in_transactions_of_its_own(ended_job, caplog):
    ended_job(31)
    (kept, _) = tasks_of(ended_job(20))
    sweep_once()
    assert list(DicomJob.objects.values_list("pk", flat=True)) == [kept.job_id]
    kept.refresh_from_db()
    assert kept.log == ""
    assert not [record for record in caplog.records if record.name == "adit.core.jobs.sweep"]


def test_a_job_within_its_retention_stays(ended_job):
    ended_job(29)
    retention.keep_house()
    assert DicomJob.objects.count() == 1


@pytest.mark.parametrize("state", ["UNVERIFIED", "PENDING", "IN_PROGRESS", "CANCELING"])
def test_a_job_that_has_not_ended_stays_however_old(owner, make_job, state):
    job = make_job(owner)
    old = timezone.now() - timedelta(days=1000)
    DicomJob.objects.filter(pk=job.pk).update(state=state, created=old, start=old)
    retention.keep_house()
    assert DicomJob.objects.count() == 1


def test_a_job_that_was_restarted_meanwhile_stays(ended_job, monkeypatch):
    job = ended_job(31)
    lock = retention.lock_job

    def restarted_before_the_lock(job_id):
        DicomJob.objects.filter(pk=job_id).update(state="PENDING", end=None)
        return lock(job_id)

    monkeypatch.setattr(retention, "lock_job", restarted_before_the_lock)
    assert retention.delete_old_jobs() == 0
    assert DicomJob.objects.filter(pk=job.pk).exists()


def test_one_job_that_cannot_be_deleted_holds_up_no_other_and_stays_whole(ended_job, monkeypatch):
    first, second = ended_job(40), ended_job(31)
    delete = retention.delete_with_tasks

    def broken(job):
        if job.pk == first.pk:
            DicomTask.objects.filter(job=job).update(message="half deleted")
            raise RuntimeError("cannot be deleted")
        return delete(job)

    monkeypatch.setattr(retention, "delete_with_tasks", broken)
    assert retention.delete_old_jobs() == 1
    assert not DicomJob.objects.filter(pk=second.pk).exists()
    assert not DicomTask.objects.filter(message="half deleted").exists()
    assert len(tasks_of(first)) == 2


def test_without_a_retention_nothing_is_deleted(ended_job, settings):
    settings.JOB_RETENTION_DAYS = 0
    ended_job(10_000)
    retention.keep_house()
    assert DicomJob.objects.count() == 1


def test_raw_logs_go_after_their_days_and_the_rest_of_the_task_stays(ended_job):
    old, young = ended_job(11), ended_job(9)
    retention.keep_house()
    assert {task.log for task in tasks_of(old)} == {""}
    assert {task.log for task in tasks_of(young)} == {"raw log"}
    assert TaskEvent.objects.count() == 4


def test_rows_of_the_queue_go_a_day_after_their_end():
    with connection.cursor() as cursor:
        for status, age in (("failed", "25 hours"), ("failed", "1 hour"), ("todo", "25 hours")):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('dicom', %s)",
                [f"{status} {age}"],
            )
            if status == "failed":
                for step in ("doing", "failed"):
                    cursor.execute(
                        "UPDATE procrastinate_jobs SET status = %s"
                        " WHERE id = (SELECT max(id) FROM procrastinate_jobs)",
                        [step],
                    )
            cursor.execute(
                "UPDATE procrastinate_events SET at = now() - %s::interval"
                " WHERE job_id = (SELECT max(id) FROM procrastinate_jobs)",
                [age],
            )
        retention.keep_house()
        cursor.execute("SELECT task_name FROM procrastinate_jobs ORDER BY task_name")
        assert [name for (name,) in cursor.fetchall()] == ["failed 1 hour", "todo 25 hours"]


def test_the_next_look_comes_after_an_hour(ended_job):
    assert retention.keep_house()
    ended_job(31)
    assert not retention.keep_house()
    assert DicomJob.objects.exists()

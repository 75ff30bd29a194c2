"""Real workers with scripted tasks: what becomes of those that fail, die, hang or are too large."""

import os
import signal

import psutil
import pytest
from django.db import connection

from adit.core.jobs.actions import cancel_job, kill_task
from adit.core.jobs.tests.integration.scripted import job_state, state_of, tasks_of, wait_for
from adit.core.jobs.waiting import reasons_for_tasks
from adit.core.models import DicomServer, DicomTask, TaskEvent

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]


def ended(job):
    return job_state(job) in ("SUCCESS", "WARNING", "FAILURE", "CANCELED")


def only_task(job):
    (task,) = tasks_of(job)
    return task


def descendants(process):
    return psutil.Process(process.pid).children(recursive=True)


def test_tasks_end_as_their_work_does(owner, scripted, workers):
    job = scripted(owner, "", "warn", "fail", "permanent", "transient")
    workers.start(concurrency=2)
    wait_for(lambda: ended(job))
    assert [t.state for t in tasks_of(job)] == [
        "SUCCESS",
        "WARNING",
        "FAILURE",
        "FAILURE",
        "FAILURE",
    ]
    assert tasks_of(job)[4].attempts == 3
    job.refresh_from_db()
    assert job.message == "1 of 5 succeeded, 1 with warnings, 3 failed"


def test_an_unexpected_error_is_logged_without_what_it_quotes(owner, scripted, workers):
    job = scripted(owner, "quote Verraeter")
    workers.start()
    wait_for(lambda: ended(job))
    (task,) = tasks_of(job)
    assert task.state == "FAILURE"
    assert "Unexpected error (ValueError)" in task.message
    assert "in follow_script" in task.log
    assert "Verraeter" not in task.message + task.log + str([*task.events.values()])


def test_a_task_that_kills_its_process_three_times_fails_and_says_so(owner, scripted, workers):
    job = scripted(owner, "die")
    workers.start()
    wait_for(lambda: ended(job))
    task = only_task(job)
    assert task.state == "FAILURE"
    assert task.message == (
        "Its process was ended by signal 9. Given up: it was interrupted 3 times."
    )
    assert TaskEvent.objects.filter(task=task, text__startswith="Started on").count() == 3


def test_a_task_that_needs_too_much_memory_fails_and_names_the_limit(owner, scripted, workers):
    job = scripted(owner, "eat", "")
    workers.start(TASK_MEMORY_MB="200")
    wait_for(lambda: ended(job))
    eater, other = tasks_of(job)
    assert (eater.state, other.state) == ("FAILURE", "SUCCESS")
    assert eater.message == "The task needs more memory than the limit of 200 MB."


def test_a_task_without_room_on_the_disk_waits_and_uses_no_attempt(owner, scripted, workers):
    job = scripted(owner, "full")
    workers.start()
    task = wait_for(lambda: DicomTask.objects.filter(job=job).exclude(waits_for="").first())
    assert (task.state, task.attempts) == ("PENDING", 0)
    assert reasons_for_tasks([task])[task.pk].startswith("waits for disk space on ")


def test_below_the_reserve_of_the_disk_nothing_starts(owner, scripted, workers):
    job = scripted(owner)
    workers.start(WORK_RESERVE_MB=str(10**9))
    task = wait_for(lambda: DicomTask.objects.filter(job=job).exclude(waits_for="").first())
    assert (task.state, task.attempts) == ("PENDING", 0)
    assert not TaskEvent.objects.filter(task=task).exists()


@pytest.mark.parametrize("script", ["sleep 600", "hang"])
def test_staff_kills_a_task_and_its_process_ends_within_seconds(
    script, owner, staff, scripted, workers, settings
):
    job = scripted(owner, script)
    worker = workers.start()
    task = only_task(job)
    # The process is at work once it has its folder.
    wait_for(lambda: settings.WORK_DIR.is_dir() and list(settings.WORK_DIR.iterdir()))
    before = {process.pid for process in descendants(worker)}
    kill_task(staff, task.pk)
    assert job_state(job) == "FAILURE"
    wait_for(lambda: before - {p.pid for p in descendants(worker)}, 15)
    assert only_task(job).message == "Killed by staff."


def test_a_task_that_ignores_its_cancellation_is_ended(owner, scripted, workers):
    job = scripted(owner, "hang")
    workers.start()
    wait_for(lambda: state_of(only_task(job)) == "IN_PROGRESS")
    cancel_job(owner, job.pk)
    wait_for(lambda: job_state(job) == "CANCELED", 30)


def test_a_run_that_gets_no_further_is_ended_and_tries_again(owner, scripted, workers):
    job = scripted(owner, "hang")
    workers.start(TASK_PROGRESS_SECONDS="3", TASK_ATTEMPTS="1")
    wait_for(lambda: ended(job))
    assert "No progress for" in only_task(job).message


def test_a_worker_whose_database_was_away_goes_on(owner, scripted, workers):
    job = scripted(owner, *["sleep 0.3"] * 12)
    worker = workers.start(concurrency=2)
    wait_for(lambda: DicomTask.objects.filter(job=job, state="SUCCESS").count() >= 2)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    wait_for(lambda: ended(job))
    assert job_state(job) == "SUCCESS"
    assert worker.poll() is None


def test_workers_take_over_from_those_that_are_killed(owner, scripted, workers):
    DicomServer.objects.update(max_tasks=4)
    job = scripted(owner, *["sleep 0.2"] * 40)
    for _ in range(4):
        worker = workers.start(concurrency=2)
        done = DicomTask.objects.filter(job=job, state="SUCCESS").count()
        wait_for(lambda done=done: _succeeded(job) >= min(40, done + 4))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    workers.start(concurrency=2)
    wait_for(lambda: ended(job))
    assert job_state(job) == "SUCCESS"


def _succeeded(job):
    return DicomTask.objects.filter(job=job, state="SUCCESS").count()

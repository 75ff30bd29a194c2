"""A job of many tasks is not counted anew after each of them, and nothing is missed by that."""

import asyncio

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from adit.core.jobs import leases, runner, states
from adit.core.jobs.database_threads import DatabaseThreads
from adit.core.jobs.events import STARTED, ever_started
from adit.core.jobs.sweep import sweep
from adit.core.models import DicomServer, DicomTask, TaskEvent

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def job(make_job, owner, monkeypatch):
    monkeypatch.setattr(states, "_MANY_TASKS", 4)
    states._derived.clear()
    states._stale.clear()
    DicomServer.objects.update(max_tasks=20)
    return make_job(owner, 6)


def finish(task, state="SUCCESS"):
    lease = leases.claim(task.pk, "worker")
    assert lease
    with CaptureQueriesContext(connection) as queries:
        assert leases.finish(lease, state, "")
    return sum("WITH counts AS" in query["sql"] for query in queries)


def message(job):
    job.refresh_from_db()
    return job.state, job.message


def test_ends_that_follow_each_other_fast_are_counted_together(job, tasks_of):
    tasks = tasks_of(job)
    assert finish(tasks[0]) == 0
    assert finish(tasks[1]) == 0
    assert finish(tasks[2]) == 0
    assert message(job) == ("IN_PROGRESS", "0 of 6 succeeded")
    sweep()
    assert message(job) == ("IN_PROGRESS", "3 of 6 succeeded")


@pytest.mark.django_db(transaction=True)
def test_the_numbers_follow_a_second_after_the_last_of_such_ends(job, tasks_of, monkeypatch):
    monkeypatch.setattr(runner._Counting, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(runner, "_database", DatabaseThreads(1))
    finish(tasks_of(job)[0])

    async def ask():
        counting = runner._Counting()
        counting.request()
        assert counting._running
        await counting._running
        await runner._database.call(lambda: connection.close())

    asyncio.run(ask())
    assert message(job) == ("IN_PROGRESS", "1 of 6 succeeded")


def test_the_last_end_and_each_failure_count_at_once(job, tasks_of):
    *others, last = tasks_of(job)
    assert finish(others[0], "FAILURE") == 1
    assert message(job) == ("IN_PROGRESS", "0 of 6 succeeded, 1 failed")
    for task in others[1:]:
        finish(task)
    assert finish(last) == 1
    assert message(job) == ("FAILURE", "5 of 6 succeeded, 1 failed")
    assert job.end


def test_after_a_pause_an_end_counts_at_once(job, tasks_of, monkeypatch):
    first, second, *_ = tasks_of(job)
    assert finish(first) == 0
    monkeypatch.setattr(states, "_PAUSE_SECONDS", 0.0)
    assert finish(second) == 1
    assert message(job) == ("IN_PROGRESS", "2 of 6 succeeded")


def test_small_jobs_are_counted_after_each_end(make_job, owner, tasks_of):
    job = make_job(owner, 3)
    first, *_ = tasks_of(job)
    assert finish(first) == 1
    assert message(job) == ("IN_PROGRESS", "1 of 3 succeeded")


def test_the_history_tells_of_each_start_in_the_words_that_are_looked_for(job, tasks_of):
    first, second, *_ = tasks_of(job)
    assert leases.claim(first.pk, "host:7")
    event = TaskEvent.objects.get(task=first)
    assert event.text == f"{STARTED}host:7, attempt 1."
    DicomTask.objects.filter(pk=first.pk).update(start=None)
    assert ever_started([first.pk, second.pk]) == {first.pk}

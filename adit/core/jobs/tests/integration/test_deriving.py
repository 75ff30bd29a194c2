"""A job of many tasks is not counted anew after each of them, and nothing is missed by that."""

import asyncio
import uuid
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.core.jobs import leases, runner, states
from adit.core.jobs.actions import act_on_tasks, cancel_job
from adit.core.jobs.database_threads import DatabaseThreads
from adit.core.jobs.sweep import sweep
from adit.core.models import DicomJob, DicomServer, DicomTask, JobArchive, TaskEvent

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


STATES = ("PENDING", "IN_PROGRESS", "SUCCESS", "WARNING", "FAILURE", "CANCELED")
ARCHIVES = (None, "WAITING", "ASSEMBLING", "DONE", "FAILED")


def test_to_derive_again_changes_nothing_whatever_the_tasks_and_the_state_before(
    owner, make_job, source, destination
):
    """All sets of states of tasks, with each state of the job before; some with an archive."""
    template = DicomTask.objects.get(job=make_job(owner))
    combinations = [
        (former, [state for bit, state in enumerate(STATES) if number >> bit & 1], archive)
        for former in DicomJob.State.values
        for number in range(1, 2 ** len(STATES))
        for archive in (ARCHIVES if number in (4, 12, 20, 36) else (None,))
    ]
    jobs = DicomJob.objects.bulk_create(
        DicomJob(kind="selective_transfer", owner=owner, state=former, send_finished_mail=True)
        for former, _, _ in combinations
    )
    DicomTask.objects.bulk_create(
        DicomTask(
            job=job,
            source_id=template.source_id,
            state=state,
            lease=uuid.uuid4() if state == "IN_PROGRESS" else None,
            start=timezone.now() if state != "PENDING" else None,
        )
        for job, (_, there, _) in zip(jobs, combinations, strict=True)
        for state in there
    )
    JobArchive.objects.bulk_create(
        JobArchive(
            job=job,
            node_id=destination.pk,
            name="a.7z",
            state=archive,
            lease=uuid.uuid4() if archive == "ASSEMBLING" else None,
        )
        for job, (_, _, archive) in zip(jobs, combinations, strict=True)
        if archive
    )
    for job, (_, _, archive) in zip(jobs, combinations, strict=True):
        states.derive_job_state(job.pk, bool(archive))
    once = list(DicomJob.objects.order_by("pk").values())
    mails = Counter(queued_mails())
    for _ in range(2):
        for job, (_, _, archive) in zip(jobs, combinations, strict=True):
            states.derive_job_state(job.pk, bool(archive))
        assert list(DicomJob.objects.order_by("pk").values()) == once
    assert Counter(queued_mails()) == mails
    derived = {row["id"]: row["state"] for row in once}
    for job, (former, there, archive) in zip(jobs, combinations, strict=True):
        assert derived[job.pk] == expected(former, there, archive), (former, there, archive)


def expected(former, there, archive):
    """The table of the states, written down once more."""
    if former in ("UNVERIFIED", *DicomJob.ENDED):
        return former
    working = "IN_PROGRESS" in there
    # That of a job with all its tasks ended is queued at once.
    assembling = archive in ("WAITING", "ASSEMBLING")
    if former == "CANCELING":
        return "CANCELING" if working or assembling else "CANCELED"
    if there == ["PENDING"]:
        return "PENDING"
    if working or "PENDING" in there or assembling:
        return "IN_PROGRESS"
    if archive == "FAILED":
        return "FAILURE"
    return next(state for state in ("FAILURE", "WARNING", "SUCCESS", "CANCELED") if state in there)


def queued_mails():
    rows = ProcrastinateJob.objects.filter(queue_name="default")
    return [(row.args["job_id"], row.args["mail"]) for row in rows]


def test_what_a_worker_has_yet_to_count_does_not_change_a_canceled_job(job, tasks_of, owner, staff):
    """Its running tasks are killed at once: their worker never ends them itself."""
    *others, last = tasks_of(job)
    for task in others[:2]:
        assert finish(task) == 0
    leases.claim(last.pk, "worker")
    cancel_job(owner, job.pk)
    act_on_tasks(staff, "kill", [last.pk])
    counted = "2 of 6 succeeded, 4 canceled"
    assert message(job) == ("CANCELED", counted)
    # As another worker, that knows of neither.
    states._stale.add(job.pk)
    states.derive_stale()
    assert message(job) == ("CANCELED", counted)


def test_the_history_tells_of_each_start(job, tasks_of):
    first, *_ = tasks_of(job)
    assert leases.claim(first.pk, "host:7")
    assert TaskEvent.objects.get(task=first).text == "Started on host:7, attempt 1."

"""How fast jobs are, what is left of them and how long they take, by what their tasks tell."""

import uuid
from datetime import timedelta

import pytest
from django.db.models import F

from adit.core.jobs import leases
from adit.core.jobs.actions import restart_job, retry_job
from adit.core.jobs.database_time import database_now
from adit.core.jobs.dispatcher import dispatch
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.fragments import home_context, read_job
from adit.core.pages.progress import elapsed, progress_of, task_elapsed

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def ago(seconds):
    return database_now() - timedelta(seconds=seconds)


@pytest.fixture
def job(owner, make_job):
    """A job of ten tasks that wait and are not planned."""
    job = make_job(owner, "IN_PROGRESS", ["PENDING"] * 10)
    DicomTask.objects.filter(job=job).update(instances_expected=0, instances_done=0, bytes_done=0)
    return job


def put(job, line, state, expected, done, since, until=None, **columns):
    """A run of one of its tasks, from so many seconds ago until so many seconds ago."""
    running = state == "IN_PROGRESS"
    DicomTask.objects.filter(job=job, line=line).update(
        state=state,
        instances_expected=expected,
        instances_done=done,
        bytes_done=done * 1_000_000,
        start=ago(since),
        run_start=ago(since),
        end=None if until is None else ago(until),
        lease=uuid.uuid4() if running else None,
        **columns,
    )


def progress(job):
    return progress_of([job.pk])[job.pk]


def seconds(span):
    assert span is not None
    return span.total_seconds()


def test_what_an_ended_task_has_not_done_is_not_left(job):
    DicomTask.objects.filter(job=job, line__gt=2).delete()
    put(job, 1, "FAILURE", 1000, 0, 300, 200)
    put(job, 2, "IN_PROGRESS", 100, 50, 100, instances_per_second=10)
    found = progress(job)
    assert found.instances_per_second == pytest.approx(50 / 60, rel=0.01)
    assert seconds(found.remaining) == pytest.approx(60, rel=0.01)
    assert found.bytes_expected == 100_000_000


def test_a_run_that_began_just_now_counts_with_its_own_rate(job):
    DicomTask.objects.filter(job=job, line__gt=1).delete()
    put(job, 1, "IN_PROGRESS", 100, 50, 0, instances_per_second=10)
    assert progress(job).instances_per_second == pytest.approx(10)


def test_the_rate_counts_the_time_between_tasks_also_while_none_runs(job):
    # Nine runs of 20 instances, each of 4 s, with 2 s after it: the work began 54 s ago.
    for number in range(9):
        put(job, number + 1, "SUCCESS", 20, 20, 54 - 6 * number, 50 - 6 * number)
    found = progress(job)
    assert found.instances_per_second == pytest.approx(180 / 54, rel=0.2)
    assert seconds(found.remaining) == pytest.approx(20 * 54 / 180, rel=0.2)


def test_of_a_run_that_began_long_ago_the_last_minute_counts(job):
    put(job, 1, "IN_PROGRESS", 10_000, 5000, 1000, instances_per_second=4)
    put(job, 2, "SUCCESS", 240, 240, 150, 30)
    assert progress(job).instances_per_second == pytest.approx(4 + 1, rel=0.2)


def test_what_was_done_in_a_run_before_does_not_make_the_rate(job):
    put(job, 1, "IN_PROGRESS", 1000, 900, 10, done_before=890, instances_per_second=50)
    assert progress(job).instances_per_second == pytest.approx(1, rel=0.5)


def test_nothing_is_left_of_tasks_that_are_told_to_stop(job):
    DicomTask.objects.filter(job=job, line__gt=2).update(state="CANCELED")
    put(job, 1, "IN_PROGRESS", 100, 50, 10, instances_per_second=5, cancel_requested=True)
    put(job, 2, "SUCCESS", 100, 100, 30, 10)
    found = progress(job)
    assert (found.instances_left, found.unplanned_left) == (0, 0)
    assert found.bytes_expected == 150_000_000


def test_an_ended_job_has_no_rate_and_nothing_left(job):
    DicomTask.objects.filter(job=job, line__gt=1).delete()
    put(job, 1, "WARNING", 100, 50, 10, 5)
    found = progress(job)
    assert (found.instances_per_second, found.remaining, found.bytes_expected) == (0, None, None)


@pytest.fixture
def runs(owner, make_job):
    """Run the only task of a job that waits."""
    owner.is_staff = owner.is_superuser = True
    owner.save()
    job = make_job(owner)
    DicomTask.objects.filter(job=job).update(queued=database_now())

    def run(took, state):
        DicomTask.objects.filter(job=job, queued=None).update(queued=database_now())
        lease = leases.claim(DicomTask.objects.get(job=job).pk, "worker")
        assert lease
        DicomJob.objects.filter(pk=job.pk).update(
            active_since=F("active_since") - timedelta(seconds=took)
        )
        DicomTask.objects.filter(job=job).update(run_start=ago(took))
        DicomTask.objects.filter(job=job).update(instances_per_second=7)
        assert leases.finish(lease, state, "")
        # That was long ago.
        past = timedelta(days=1)
        for row in (DicomJob.objects.filter(pk=job.pk), DicomTask.objects.filter(job=job)):
            row.update(end=F("end") - past, start=F("start") - past)
        DicomTask.objects.filter(job=job).update(run_start=F("run_start") - past)
        return job

    return run


def took(job):
    job.refresh_from_db()
    return round(seconds(elapsed(job)), -2), round(seconds(task_elapsed(job.tasks.get())), -2)


def test_the_time_between_the_end_of_a_job_and_its_next_start_does_not_count(runs, owner):
    job = runs(1000, "FAILURE")
    assert took(job) == (1000, 1000)
    retry_job(owner, job.pk)
    dispatch()
    runs(2000, "SUCCESS")
    assert took(job) == (3000, 2000)
    assert job.tasks.get().instances_per_second == 0
    restart_job(owner, job.pk)
    job.refresh_from_db()
    assert elapsed(job) is None
    dispatch()
    runs(4000, "SUCCESS")
    assert took(job) == (4000, 4000)


def test_the_list_of_running_tasks_and_their_number_are_of_the_same_moment(job):
    put(job, 1, "IN_PROGRESS", 100, 50, 10)
    job.progress, job.elapsed = progress(job), None
    # Between the two statements another one starts.
    for line in range(2, 11):
        put(job, line, "IN_PROGRESS", 100, 50, 5)
    context = read_job(job).context(job.owner)
    assert [task.line for task in context["running"]] == list(range(1, 9))
    assert context["running_more"] == 2


def test_home_shows_jobs_at_work_before_those_that_wait(owner, make_job):
    canceling, running = make_job(owner, "CANCELING"), make_job(owner, "IN_PROGRESS")
    waiting = [make_job(owner).pk for _ in range(12)]
    context = home_context(owner)
    first = [running.pk, canceling.pk]
    assert [job.pk for job in context["running"]] == [*first, *waiting[::-1][:8]]
    assert context["running_more"]

"""What starts when workers have fewer slots than servers, and what those who wait are told."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.core.factories import DicomServerFactory, grant_access
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.sweep import sweep
from adit.core.jobs.tests.integration.scripted import scripted_job
from adit.core.jobs.tests.integration.test_dispatching import claim_next, end, reason
from adit.core.jobs.waiting import reasons_for_tasks
from adit.core.jobs.worker_slots import sign_off, sign_on, worker_slots
from adit.core.models import DicomJob, DicomServer, DicomTask, Worker

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def other_source(db):
    return DicomServerFactory(name="OTHER", max_tasks=4)


@pytest.fixture
def at_other(scripted_kinds, other_source):
    """Make jobs of scripted tasks at another source."""

    def make(owner, number=1):
        grant_access(owner.active_group, other_source, source=True)
        owner.user_permissions.add(Permission.objects.get(codename="add_dicomjob"))
        owner = type(owner).objects.get(pk=owner.pk)
        return scripted_job(owner, other_source, [""] * number)

    return make


def worker(slots, name="worker"):
    sign_on(name, slots)


def test_a_single_task_at_a_free_server_starts_with_the_next_free_slot_of_a_worker(
    make_user, scripted, at_other
):
    DicomServer.objects.filter(name="SOURCE").update(max_tasks=16)
    scripted(make_user(), *[""] * 2000)
    running = [claim_next() for _ in range(4)]
    single = at_other(make_user())
    end(running.pop(0))
    lease = claim_next()
    assert lease and lease.job_id == single.pk


def test_many_tasks_at_a_free_server_share_the_workers(make_user, scripted, at_other):
    DicomServer.objects.update(max_tasks=16)
    first, second = make_user(), make_user()
    mine = scripted(first, *[""] * 100)
    running = [claim_next() for _ in range(4)]
    at_other(second, 100)
    for _ in range(20):
        end(running.pop(0))
        running.append(claim_next())
    assert [bool(lease) and lease.job_id == mine.pk for lease in running].count(True) == 2
    assert 8 <= DicomTask.objects.filter(job=mine, state="SUCCESS").count() <= 14


def test_an_urgent_task_overtakes_what_was_handed_over_for_any_server(owner, scripted, at_other):
    DicomServer.objects.update(max_tasks=16)
    at_other(owner, 8)
    job = scripted(owner)
    DicomJob.objects.filter(pk=job.pk).update(urgent=True)
    dispatch()
    lease = claim_next()
    assert lease and lease.job_id == job.pk


def test_an_archive_comes_before_new_tasks_and_after_urgent_ones(owner, scripted):
    from adit.core.jobs.queue import defer_archive

    job = scripted(owner, "", "")
    defer_archive(job.pk)
    rows = ProcrastinateJob.objects.filter(queue_name="dicom").order_by("-priority", "id")
    assert [row.task_name for row in rows][0] == "adit:run_archive"
    DicomJob.objects.filter(pk=job.pk).update(urgent=True)
    dispatch()
    assert [row.task_name for row in rows.all()][-1] == "adit:run_archive"


def test_rows_that_are_in_order_are_not_written_again(owner, scripted, at_other):
    DicomServer.objects.update(max_tasks=4)
    scripted(owner, *[""] * 8)
    rows = ProcrastinateJob.objects.filter(queue_name="dicom")
    before = dict(rows.values_list("pk", "priority"))
    lease = claim_next()
    assert lease
    end(lease)
    after = dict(rows.values_list("pk", "priority"))
    kept = before.keys() & after.keys()
    assert len(kept) == 3 and all(before[pk] == after[pk] for pk in kept)


# What is told


def test_without_a_worker_a_task_says_so_until_one_comes(owner, scripted):
    job = scripted(owner)
    assert reason(job) == "waits for a worker: none is running"
    worker(1)
    assert reason(job) == "queued (position 1)"


def test_a_worker_that_stops_or_falls_silent_is_none(owner, scripted):
    job = scripted(owner)
    worker(1, "a")
    sign_off("a")
    assert reason(job) == "waits for a worker: none is running"
    worker(2, "b")
    Worker.objects.update(seen=timezone.now() - timedelta(seconds=31))
    assert reason(job) == "waits for a worker: none is running"
    sweep()
    assert not Worker.objects.exists()


def test_when_all_workers_are_busy_a_task_says_so_with_its_place(make_user, scripted, at_other):
    worker(1)
    worker(1, "another")
    DicomServer.objects.update(max_tasks=16)
    scripted(make_user(), *[""] * 20)
    claim_next()
    assert worker_slots().busy == 1
    task = DicomTask.objects.get(state="IN_PROGRESS")
    lease = claim_next()
    assert lease
    DicomTask.objects.filter(pk=lease.task_id).update(worker="another")
    assert reason(at_other(make_user())) == "waits for a free worker: 2 of 2 busy"
    assert reason(at_other(make_user())) == "waits for a free worker: 2 of 2 busy, about position 2"
    DicomTask.objects.filter(pk=task.pk).update(worker="somebody who is gone")
    assert worker_slots().busy == 1


def test_what_a_suspended_server_holds_back_takes_no_place_among_all(make_user, scripted, at_other):
    worker(1)
    scripted(make_user(), "", "")
    assert claim_next()
    at_other(make_user(), 3)
    DicomServer.objects.filter(name="OTHER").update(is_suspended=True)
    dispatch()
    job = scripted(make_user())
    assert reason(job) == "waits for a free worker: 1 of 1 busy"
    assert reason(scripted(make_user())).endswith("1 of 1 busy, position 2")


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
@pytest.mark.parametrize("ran_before", [0, 4])
def test_the_places_told_are_the_order_in_which_tasks_start_over_all_servers(
    slots, ran_before, make_user, scripted, at_other
):
    DicomServer.objects.update(max_tasks=4)
    worker(slots)
    many, few = make_user(), make_user()
    scripted(many, *[""] * 9)
    running = []
    for _ in range(ran_before):
        if len(running) == slots:
            end(running.pop(0))
        running.append(claim_next())
    at_other(few, 4)
    scripted(few, "", "")
    hasty = at_other(make_user(), 2)
    DicomJob.objects.filter(pk=hasty.pk).update(urgent=True)
    dispatch()
    tasks = DicomTask.objects.filter(state="PENDING").select_related("job")
    places = {}
    for pk, text in reasons_for_tasks(tasks).items():
        found = re.search(r"position (\d+)", text)
        places[int(found[1]) if found else 1] = pk
    told = [places[place] for place in range(1, len(tasks) + 1)]
    started = []
    while len(started) < len(told):
        lease = claim_next() if len(running) < slots else None
        if lease is None:
            end(running.pop(0))
            continue
        running.append(lease)
        started.append(lease.task_id)
    assert told == started

"""What starts when: fairness, hours, suspension, and the reason why a task waits."""

import re
from datetime import time, timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.core.jobs import leases
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.tests.integration.scripted import delete_queue_rows, tasks_of
from adit.core.jobs.waiting import reasons_for_tasks, reasons_for_waiting
from adit.core.jobs.worker_slots import sign_on
from adit.core.models import DicomJob, DicomServer, DicomTask, JobKindSettings, ServerHours
from adit.test_jobs.kind import BULK, SCRIPTED

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _workers(db):
    """Workers with more slots than servers; of fewer tells `test_worker_slots`."""
    sign_on("worker", 100)


def claim_next():
    """What a worker does: take the first row of the queue and claim its task."""
    row = (
        ProcrastinateJob.objects.filter(queue_name="dicom", status="todo")
        .order_by("-priority", "id")
        .first()
    )
    if row is None:
        return None
    task_id = row.args["task_id"]
    delete_queue_rows(pk=row.pk)
    return leases.claim(task_id, "worker")


def end(lease):
    assert leases.finish(lease, "SUCCESS", "")
    dispatch()


def only_task(job):
    return DicomTask.objects.select_related("job").get(job_id=job.pk)


def reason(job):
    return reasons_for_tasks([only_task(job)])[only_task(job).pk]


def close(source, hours=2):
    """Give the server hours that lie elsewhere than now: half an hour, from so many hours on."""
    now = timezone.localtime()
    begin = (now + timedelta(hours=hours)).replace(minute=0)
    ServerHours.objects.create(
        server=source,
        weekdays=[begin.weekday()],
        since=begin.time().replace(second=0, microsecond=0, tzinfo=None),
        until=(begin + timedelta(minutes=30)).time().replace(second=0, microsecond=0, tzinfo=None),
    )
    return begin


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("others", [1, 4])
def test_a_single_task_starts_after_at_most_two_tasks_per_slot_of_two_thousand_others(
    slots, others, make_user, scripted
):
    DicomServer.objects.update(max_tasks=slots)
    for _ in range(others):
        scripted(make_user(), *[""] * (2000 // others))
    running = [claim_next() for _ in range(slots)]
    for _ in range(3 * slots):
        end(running.pop(0))
        running.append(claim_next())
    single = scripted(make_user())
    ends = 0
    while not DicomTask.objects.filter(job_id=single.pk, state="IN_PROGRESS").exists():
        end(running.pop(0))
        ends += 1
        running.append(claim_next())
        assert ends <= 2 * slots


def test_the_owner_of_many_does_not_lose_his_turn(make_user, scripted):
    first, second = make_user(), make_user()
    mine = scripted(first, *[""] * 20)
    scripted(second, *[""] * 20)
    for _ in range(10):
        lease = claim_next()
        other = claim_next()
        end(lease)
        end(other)
    done = DicomTask.objects.filter(job_id=mine.pk, state="SUCCESS").count()
    assert 8 <= done <= 12


def test_a_kind_of_more_weight_goes_first(make_user, scripted):
    scripted(make_user(), "", "", kind=BULK)
    job = scripted(make_user(), "")
    lease = claim_next()
    assert lease and lease.job_id == job.pk


def test_no_more_tasks_run_at_once_than_the_server_takes(make_user, scripted):
    for _ in range(3):
        scripted(make_user(), "", "")
    leases_held = [lease for lease in iter(claim_next, None)]
    assert len(leases_held) == 2


# Suspension


def test_a_suspended_server_starts_nothing_not_even_what_is_queued(owner, source, scripted):
    job = scripted(owner)
    DicomServer.objects.update(is_suspended=True)
    assert claim_next() is None
    dispatch()
    assert not ProcrastinateJob.objects.filter(queue_name="dicom").exists()
    assert reason(job) == "suspended: SOURCE takes no new tasks"
    DicomServer.objects.update(is_suspended=False)
    dispatch()
    assert claim_next()


def test_a_suspended_kind_starts_nothing(owner, scripted):
    job = scripted(owner)
    JobKindSettings.objects.create(kind="scripted", is_suspended=True)
    assert claim_next() is None
    dispatch()
    assert not ProcrastinateJob.objects.filter(queue_name="dicom").exists()
    assert reason(job) == "suspended: no new tasks of the kind Scripted start"


def test_suspension_withdraws_what_was_handed_over(owner, scripted):
    scripted(owner)
    DicomServer.objects.update(is_suspended=True)
    dispatch()
    assert not ProcrastinateJob.objects.filter(queue_name="dicom").exists()
    assert not DicomTask.objects.filter(queued__isnull=False).exists()


# Hours


def test_outside_its_hours_a_server_starts_nothing_and_says_when(owner, source, scripted):
    job = scripted(owner)
    begin = close(source)
    assert claim_next() is None
    dispatch()
    assert not ProcrastinateJob.objects.filter(queue_name="dicom").exists()
    assert f"SOURCE is outside its hours, from {begin:%H:%M}" in reason(job).replace(
        f"{begin:%A} ", ""
    )


def test_urgent_tasks_pass_the_hours_only_where_the_server_lets_them(owner, source, scripted):
    close(source)
    job = scripted(owner)
    type(job).objects.filter(pk=job.pk).update(urgent=True)
    dispatch()
    assert claim_next() is None
    DicomServer.objects.update(urgent_ignores_hours=True)
    dispatch()
    assert claim_next()


def test_within_its_hours_a_server_works(owner, source, scripted):
    ServerHours.objects.create(server=source, weekdays=list(range(7)), since=time(0), until=time(0))
    scripted(owner)
    assert claim_next()


def test_a_running_task_outlives_the_hours(owner, source, scripted):
    scripted(owner)
    lease = claim_next()
    assert lease
    close(source)
    dispatch()
    assert leases.renew(lease) is leases.LeaseStatus.HELD


# Destinations


def test_a_suspended_destination_holds_its_tasks_back_and_is_named(owner, destination, make_job):
    held = make_job(owner, 3)
    destination.is_suspended = True
    destination.save()
    dispatch()
    assert not DicomTask.objects.filter(queued__isnull=False).exists()
    assert reasons_for_waiting(held) == ["suspended: DESTINATION takes no new tasks"]


def test_a_destination_outside_its_hours_holds_its_tasks_back(owner, destination, make_job):
    held = make_job(owner)
    begin = close(destination)
    assert claim_next() is None
    assert f"DESTINATION is outside its hours, from {begin:%H:%M}" in reason(held).replace(
        f"{begin:%A} ", ""
    )


def test_of_several_times_that_are_waited_for_the_latest_is_told(
    owner, source, destination, make_job
):
    held = make_job(owner)
    close(source)
    # To the same time of the next day.
    ServerHours.objects.update(until=F("since"))
    later = close(destination, hours=4)
    DicomTask.objects.update(not_before=timezone.now() + timedelta(minutes=4), attempts=1)
    told = reason(held).replace(f"{later:%A} ", "")
    assert told == f"SOURCE and DESTINATION are outside their hours, from {later:%H:%M}"


def test_a_closed_destination_holds_back_nobody_else(owner, destination, make_job, scripted):
    make_job(owner, 3)
    other = scripted(owner)
    close(destination)
    dispatch()
    queued = DicomTask.objects.filter(queued__isnull=False)
    assert [task.job_id for task in queued] == [other.pk]


def test_urgent_tasks_pass_the_hours_of_a_destination_that_lets_them(owner, destination, make_job):
    job = make_job(owner)
    close(destination)
    type(job).objects.filter(pk=job.pk).update(urgent=True)
    DicomServer.objects.filter(pk=destination.pk).update(urgent_ignores_hours=True)
    dispatch()
    assert claim_next()


# Reasons


def test_every_waiting_task_has_a_reason(make_user, scripted):
    first = scripted(make_user(), "", "", "")
    second = scripted(make_user(), "")
    DicomTask.objects.filter(pk=tasks_of(first)[2].pk).update(
        not_before=timezone.now() + timedelta(days=1)
    )
    assert claim_next() and claim_next()
    tasks = DicomTask.objects.filter(state="PENDING").select_related("job")
    reasons = reasons_for_tasks(tasks)
    waiting = {task.pk for task in tasks}
    assert set(reasons) == waiting
    assert reasons[tasks_of(first)[2].pk].startswith("retry at ")
    others = [reasons[pk] for pk in waiting - {tasks_of(first)[2].pk}]
    assert all(text.startswith("waits for SOURCE: 2 of 2 in use") for text in others)
    assert len(reasons_for_waiting(second)) <= 1


def test_the_place_in_the_queue_is_told(make_user, scripted):
    first = scripted(make_user(), "", "", "")
    assert reason(scripted(make_user())) == "queued (position 2)"
    reasons = reasons_for_tasks(DicomTask.objects.filter(job_id=first.pk).select_related("job"))
    # Two slots: nobody knows which of two others is the first to end.
    assert [reasons[task.pk] for task in tasks_of(first)] == [
        "queued (position 1)",
        "queued (about position 3)",
        "queued (about position 4)",
    ]


def told_order(number):
    """The waiting tasks in the order of the positions that their owners are told."""
    tasks = DicomTask.objects.filter(state="PENDING").select_related("job")
    reasons = reasons_for_tasks(tasks)
    places = {}
    for pk, text in reasons.items():
        found = re.search(r"position (\d+)", text)
        places[int(found[1]) if found else 1] = pk
    return [places[place] for place in range(1, number + 1)]


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("ran_before", [0, 1, 5])
def test_the_places_told_are_the_order_in_which_tasks_start(slots, ran_before, make_user, scripted):
    DicomServer.objects.update(max_tasks=slots)
    many, few, hasty = make_user(), make_user(), make_user()
    scripted(many, *[""] * 9)
    running = []
    for _ in range(ran_before):
        if len(running) == slots:
            end(running.pop(0))
        if lease := claim_next():
            running.append(lease)
    scripted(few, "", "", "")
    scripted(hasty, "", "", kind=BULK)
    urgent = scripted(hasty, "", "", kind=BULK)
    scripted(few, "")
    DicomJob.objects.filter(pk=urgent.pk).update(urgent=True)
    dispatch()
    number = DicomTask.objects.filter(state="PENDING").count()
    told = told_order(number)
    started = []
    while len(started) < number:
        if len(running) == slots:
            end(running.pop(0))
        lease = claim_next()
        assert lease
        running.append(lease)
        started.append(lease.task_id)
    assert told == started


def test_tasks_that_cannot_start_now_take_no_place(make_user, scripted):
    scripted(make_user(), "", "", kind=BULK)
    JobKindSettings.objects.create(kind=BULK.key, is_suspended=True)
    assert reason(scripted(make_user(), kind=SCRIPTED)) == "queued (position 1)"


def test_reasons_of_a_page_take_few_statements(owner, scripted, django_assert_max_num_queries):
    job = scripted(owner, *[""] * 50)
    tasks = list(DicomTask.objects.filter(job_id=job.pk).select_related("job"))
    with django_assert_max_num_queries(5):
        assert len(reasons_for_tasks(tasks)) == 50


def test_an_unverified_job_waits_for_staff(owner, scripted):
    job = scripted(owner, verified=False)
    assert reason(job) == "waits for verification by staff"


# Attempts by server


def test_a_server_has_attempts_and_waits_of_its_own(owner, source, scripted):
    from adit.core.jobs.child import Outcome
    from adit.core.jobs.conclusion import conclude

    DicomServer.objects.update(task_attempts=2, task_retry_waits="3600, 7200")
    job = scripted(owner)
    lease = claim_next()
    assert lease
    conclude(lease, Outcome("transient", "no answer", "FAILURE"))
    task = only_task(job)
    assert task.not_before > timezone.now() + timedelta(minutes=55)
    DicomTask.objects.update(not_before=None)
    dispatch()
    lease = claim_next()
    assert lease
    conclude(lease, Outcome("transient", "no answer", "FAILURE"))
    assert only_task(job).state == "FAILURE"

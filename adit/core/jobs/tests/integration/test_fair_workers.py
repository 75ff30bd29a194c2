"""Real workers with fewer slots than the servers have."""

import signal

import pytest
from django.utils import timezone

from adit.core.factories import DicomServerFactory, grant_access
from adit.core.jobs.tests.integration.scripted import job_state, scripted_job, tasks_of, wait_for
from adit.core.jobs.waiting import reasons_for_tasks, reasons_for_waiting
from adit.core.jobs.worker_slots import worker_slots
from adit.core.models import DicomServer, DicomTask, Worker

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]


def ended(job):
    return job_state(job) == "SUCCESS"


def test_another_user_s_single_task_starts_with_the_next_slot_of_any_worker(
    make_user, scripted, workers
):
    DicomServer.objects.update(max_tasks=16)
    other = DicomServerFactory(name="OTHER")
    for _ in range(2):
        workers.start(1)
    many = scripted(make_user(), *["sleep 0.4"] * 24)
    wait_for(lambda: DicomTask.objects.filter(job=many, state="SUCCESS").count() >= 2)
    user = scripted(make_user(), "").owner
    grant_access(user.active_group, other, source=True)
    single = scripted_job(user, other, [""])
    handed_over = timezone.now()
    wait_for(lambda: ended(single))
    (task,) = tasks_of(single)
    # Those that the two workers were about to begin with right then, at most.
    between = DicomTask.objects.filter(job=many, start__gt=handed_over, start__lt=task.start)
    assert between.count() <= 2
    wait_for(lambda: ended(many))


def test_workers_say_that_they_are_there_are_busy_and_stop(owner, scripted, workers):
    DicomServer.objects.update(max_tasks=4)
    job = scripted(owner, "sleep 3", "sleep 600", "")
    assert reasons_for_waiting(job) == ["waits for a worker: none is running"]
    process = workers.start(2)
    wait_for(lambda: worker_slots().busy == 2)
    assert reasons_for_waiting(job) == ["waits for a free worker: 2 of 2 busy"]
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: not Worker.objects.exists())
    # It takes nothing new from here on, but what runs goes on for a while.
    assert process.poll() is None
    assert reasons_for_waiting(job) == ["waits for a worker: none is running"]
    workers.stop()


@pytest.mark.parametrize("slots", [1, 2])
def test_where_servers_are_full_and_workers_scarce_urgent_tasks_come_one_after_the_other(
    slots, make_user, scripted, workers
):
    other = DicomServerFactory(name="OTHER")
    DicomServer.objects.update(max_tasks=slots)
    for _ in range(slots):
        workers.start(1)
    busy = scripted(make_user(), *["sleep 2"] * slots)
    wait_for(lambda: DicomTask.objects.filter(job=busy, state="IN_PROGRESS").count() == slots)
    user = make_user(is_superuser=True)
    grant_access(user.active_group, other, source=True)
    ordinary = scripted_job(user, other, ["sleep 0.5"] * 4)
    urgent = scripted(user, *["sleep 0.5"] * 4, urgent=True)
    told = {t.pk: text for t, text in waiting_of(urgent)}
    wait_for(lambda: ended(ordinary) and ended(urgent))
    started = list(DicomTask.objects.filter(job__in=[ordinary, urgent]).order_by("start"))
    assert [task.job_id for task in started] == [urgent.pk] * 4 + [ordinary.pk] * 4
    for number, task in enumerate(started[:4], 1):
        assert f"position {number}" in told[task.pk] or number == 1


def waiting_of(job):
    """The tasks of a job, and why each of them waits."""
    tasks = list(DicomTask.objects.filter(job=job).select_related("job"))
    reasons = reasons_for_tasks(tasks)
    return [(task, reasons[task.pk]) for task in tasks]

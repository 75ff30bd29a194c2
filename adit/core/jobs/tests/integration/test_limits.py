"""Limits of servers, measured at the PACS double while several workers press on."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from adit.core.factories import grant_access
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.tests.integration.scripted import job_state, wait_for
from adit.core.jobs.tests.integration.small_studies import (
    double_node,
    small_studies,
    transfer_job,
)
from adit.core.jobs.waiting import reasons_for_waiting
from adit.core.models import DicomJob, DicomServer, DicomTask, ServerHours
from adit.test_pacs.double import PacsDouble

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def pacs(transactional_db):
    with (
        PacsDouble("FROM", instances=small_studies(8, 10)) as source,
        PacsDouble("TO") as destination,
    ):
        yield source, destination


@pytest.fixture
def start_transfer(pacs, make_user):
    """Start a job of eight small studies between servers with the given limits."""

    def start(source_limits, destination_limits):
        user = make_user(is_superuser=True)
        source = double_node("FROM", pacs[0], **{"max_tasks": 6, **source_limits})
        destination = double_node("TO", pacs[1], **destination_limits)
        grant_access(user.active_group, source, source=True)
        grant_access(user.active_group, destination, destination=True)
        return transfer_job(user, source, destination, 8)

    return start


def ended(job):
    return job_state(job) in DicomJob.ENDED


def most_within(seconds, moments):
    """The largest number of moments within any span of so many seconds."""
    moments = sorted(moments)
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_associations_at_once_hold_at_source_and_destination_over_three_workers(
    start_transfer, pacs, workers
):
    job = start_transfer({"max_associations": 2}, {"max_associations": 1})
    for _ in range(3):
        workers.start(concurrency=2)
    wait_for(lambda: ended(job), 240)
    assert job_state(job) == "SUCCESS"
    source, destination = pacs
    assert 1 <= source.seen.associations_open_most <= 2
    assert destination.seen.associations_open_most == 1
    assert len({store.sop_instance_uid for store in destination.seen.stores}) == 80


def test_instances_per_second_hold_over_three_workers(start_transfer, pacs, workers):
    job = start_transfer({"max_instances_per_second": 10}, {})
    for _ in range(3):
        workers.start(concurrency=2)
    wait_for(lambda: ended(job), 240)
    assert job_state(job) == "SUCCESS"
    moments = [store.at for store in pacs[1].seen.stores]
    assert len(moments) == 80
    # What a worker has reserved it may pass a quarter of a second late, and what has passed the
    # limit may come to the destination a moment later than what follows it: so three seconds.
    assert most_within(3.0, moments) <= 40
    assert max(moments) - min(moments) >= 6.0


def test_when_the_hours_end_running_tasks_finish_and_nothing_new_starts(
    start_transfer, pacs, workers
):
    job = start_transfer({}, {})
    pacs[0].faults.delay = 0.1
    for _ in range(3):
        workers.start(concurrency=1)
    succeeded = DicomTask.objects.filter(job=job, state="SUCCESS")
    wait_for(succeeded.exists)
    now = timezone.localtime()
    begin = (now + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    ServerHours.objects.create(
        server=DicomServer.objects.get(name="FROM"),
        weekdays=[begin.weekday()],
        since=begin.time(),
        until=(begin + timedelta(minutes=30)).time(),
    )
    closed = timezone.now()
    wait_for(lambda: not DicomTask.objects.filter(state="IN_PROGRESS").exists(), 120)
    # Whatever a worker's sweep dispatches later, it hands nothing over.
    assert dispatch() == 0
    assert not DicomTask.objects.filter(queued__isnull=False).exists()
    tasks = list(DicomTask.objects.filter(job=job))
    assert {task.state for task in tasks} == {"SUCCESS", "PENDING"}
    # Of each worker a claim that was under way this very moment may have come through.
    assert sum(t.start is not None and t.start > closed for t in tasks) <= 3
    finished = [task for task in tasks if task.state == "SUCCESS"]
    stores = Counter(store.sop_instance_uid for store in pacs[1].seen.stores)
    assert set(stores.values()) == {1}
    assert len(stores) == 10 * len(finished)
    assert "FROM is outside its hours, from" in reasons_for_waiting(job)[0]

    ServerHours.objects.all().delete()
    wait_for(lambda: ended(job), 240)
    assert job_state(job) == "SUCCESS"


def test_no_more_tasks_run_at_once_than_the_source_takes(start_transfer, pacs, workers):
    job = start_transfer({"max_tasks": 2}, {})
    pacs[0].faults.delay = 0.1
    for _ in range(3):
        workers.start(concurrency=2)
    most = 0

    def watch():
        nonlocal most
        most = max(most, DicomTask.objects.filter(state="IN_PROGRESS").count())
        return ended(job)

    wait_for(watch, 240)
    assert job_state(job) == "SUCCESS"
    assert most == 2
    assert most_studies_at_once(pacs[1].seen.stores) == 2


def most_studies_at_once(stores):
    """The largest number of studies of which a first instance had come, and the last had not."""
    studies = {}
    for store in stores:
        studies.setdefault(store.sop_instance_uid.rsplit(".", 2)[0], []).append(store.at)
    return max(
        sum(1 for other in studies.values() if min(other) <= min(mine) <= max(other))
        for mine in studies.values()
    )

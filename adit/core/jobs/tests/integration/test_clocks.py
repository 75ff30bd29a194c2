"""Hosts whose clocks are wrong decide as all others do: by the time of the database."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from adit.core.jobs import archives, leases
from adit.core.jobs.child import Outcome
from adit.core.jobs.conclusion import conclude
from adit.core.jobs.database_time import database_now
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.tests.integration.scripted import tasks_of
from adit.core.jobs.waiting import reasons_for_waiting
from adit.core.jobs.worker_slots import sign_on
from adit.core.models import DicomFolder, DicomTask, JobArchive, ServerHours, TaskEvent

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(params=[-1, 1], ids=["behind", "ahead"])
def wrong_by(request, monkeypatch):
    """The clock of this host is wrong by so much, from when the fixture is called on."""
    offset = timedelta(hours=request.param)
    right = timezone.now

    def set_clock():
        monkeypatch.setattr(timezone, "now", lambda: right() + offset)

    set_clock.offset = offset
    return set_clock


def opens(source, begin: datetime):
    """Give the server half an hour a week, from then on."""
    begin = timezone.localtime(begin)
    ServerHours.objects.create(
        server=source,
        weekdays=[begin.weekday()],
        since=begin.time().replace(microsecond=0),
        until=(begin + timedelta(minutes=30)).time().replace(microsecond=0),
    )


def test_a_task_starts_in_the_hours_of_its_server(owner, source, scripted, wrong_by):
    job = scripted(owner)
    opens(source, timezone.now() - timedelta(minutes=10))
    wrong_by()
    dispatch()
    assert leases.claim(tasks_of(job)[0].pk, "worker")


def test_no_task_starts_outside_the_hours_of_its_server(owner, source, scripted, wrong_by):
    job = scripted(owner)
    opens(source, timezone.now() + wrong_by.offset - timedelta(minutes=10))
    sign_on("worker", 1)
    wrong_by()
    assert leases.claim(tasks_of(job)[0].pk, "worker") is None
    assert dispatch() == 0
    assert not DicomTask.objects.filter(queued__isnull=False).exists()
    assert "is outside its hours" in reasons_for_waiting(job)[0]


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (Outcome("transient", "no answer", "FAILURE"), 120),
        (Outcome("crashed", "Its process died."), 0),
        (Outcome("no_process", "Its process could not be started."), 5),
        (Outcome("disk_full", "The disk is full."), 15),
    ],
)
def test_a_task_waits_as_long_as_it_is_to(owner, scripted, wrong_by, settings, outcome, seconds):
    settings.TASK_RETRY_WAITS = [120]
    job = scripted(owner)
    sign_on("worker", 1)
    lease = leases.claim(tasks_of(job)[0].pk, "worker")
    assert lease
    wrong_by()
    conclude(lease, outcome)
    (task,) = tasks_of(job)
    assert task.not_before
    wait = (task.not_before - database_now()).total_seconds()
    assert seconds - 3 < wait <= seconds
    assert ("queued" in reasons_for_waiting(job)[0]) == (seconds == 0)


def test_an_archive_waits_as_long_as_it_is_to(owner, scripted, wrong_by, settings):
    settings.TASK_RETRY_WAITS = [120]
    job = scripted(owner)
    DicomTask.objects.filter(job=job).update(state="SUCCESS", end=database_now())
    folder = DicomFolder.objects.create(name="Folder", path="folder")
    JobArchive.objects.create(job=job, node=folder, name="a.7z", state="QUEUED")
    lease = archives.claim(job.pk, "worker")
    assert lease
    wrong_by()
    assert archives.try_later(lease, "The disk is full.")
    wait = JobArchive.objects.get(job=job).not_before - database_now()
    assert timedelta(seconds=110) < wait <= timedelta(seconds=120)


def test_the_history_of_a_job_has_the_time_of_the_database(owner, scripted, wrong_by):
    from adit.core.jobs.events import add_job_event

    job = scripted(owner)
    wrong_by()
    add_job_event(job.pk, "Made urgent.")
    event = TaskEvent.objects.get(job_id=job.pk, text="Made urgent.")
    assert abs(event.time - database_now()) < timedelta(seconds=30)


def test_that_the_time_is_that_of_the_database_costs_no_statement(
    owner, scripted, django_assert_num_queries
):
    from adit.core.jobs.servers import rules_of

    scripted(owner)
    with django_assert_num_queries(1):
        rules = rules_of()
    now = database_now()
    assert all(rule.at and now - rule.at < timedelta(seconds=5) for rule in rules.values())

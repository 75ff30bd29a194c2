"""What the ledger says of series whose task was canceled, killed or given up."""

import pytest

from adit.core.factories import grant_access
from adit.core.jobs import leases
from adit.core.jobs.actions import cancel_job, kill_task, reset_task, resume_job, retry_job
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.tests.integration.scripted import job_state, tasks_of, wait_for
from adit.core.jobs.tests.integration.small_studies import (
    double_node,
    small_studies,
    transfer_job,
)
from adit.core.models import DicomTask, SeriesTransfer
from adit.core.models.records import (
    InstanceRecord,
    InstanceState,
    decode_records,
    encode_records,
)
from adit.core.transfer.ledger_store import load_ledger
from adit.core.transfer.plan import Plan, PlannedSeries
from adit.test_pacs.double import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def make_series(task):
    """One that arrived, one under way, one of which a part arrived, one not begun with."""
    for uid, (state, confirmed) in enumerate(
        [("SUCCESS", 2), ("IN_PROGRESS", 0), ("IN_PROGRESS", 1), ("PENDING", 0)]
    ):
        SeriesTransfer.objects.create(
            task=task,
            series_instance_uid=f"1.2.{uid}",
            state=state,
            expected=2,
            confirmed=confirmed,
        )


def states(task):
    rows = SeriesTransfer.objects.filter(task_id=task.pk).order_by("pk")
    return list(rows.values_list("state", flat=True))


@pytest.fixture
def job(make_job, owner):
    return make_job(owner, 2)


def claim(task):
    lease = leases.claim(task.pk, "worker")
    assert lease
    return lease


def test_the_series_of_a_canceled_run_are_canceled_but_for_what_arrived(job, owner, tasks_of):
    task, _ = tasks_of(job)
    lease = claim(task)
    make_series(task)
    cancel_job(owner, job.pk)
    assert leases.finish(lease, "CANCELED", "Canceled.")
    assert states(task) == ["SUCCESS", "CANCELED", "CANCELED", "CANCELED"]


def test_so_are_those_of_a_task_that_waits_for_another_attempt(job, owner, tasks_of):
    task, _ = tasks_of(job)
    assert leases.hand_back(claim(task))
    make_series(task)
    cancel_job(owner, job.pk)
    assert states(task) == ["SUCCESS", "CANCELED", "CANCELED", "CANCELED"]


def test_so_are_those_of_a_run_that_wanted_another_attempt(job, owner, tasks_of):
    task, _ = tasks_of(job)
    lease = claim(task)
    make_series(task)
    cancel_job(owner, job.pk)
    assert leases.hand_back(lease)
    assert states(task) == ["SUCCESS", "CANCELED", "CANCELED", "CANCELED"]


def test_they_wait_again_when_the_job_is_resumed(job, owner, tasks_of):
    task, _ = tasks_of(job)
    lease = claim(task)
    make_series(task)
    cancel_job(owner, job.pk)
    leases.finish(lease, "CANCELED", "Canceled.")
    resume_job(owner, job.pk)
    assert states(task) == ["SUCCESS", "PENDING", "PENDING", "PENDING"]


def test_a_reset_forgets_them(job, owner, tasks_of):
    task, _ = tasks_of(job)
    lease = claim(task)
    make_series(task)
    cancel_job(owner, job.pk)
    leases.finish(lease, "CANCELED", "Canceled.")
    reset_task(owner, task.pk)
    assert states(task) == []


def test_a_reset_keeps_what_staff_discarded_and_nothing_else(job, owner, tasks_of):
    task, _ = tasks_of(job)
    lease = claim(task)
    finding = ("burned_in in (7FE0,0010) PixelData",)
    discarded = InstanceRecord("1.1", InstanceState.EXCLUDED, findings=finding, discarded=True)
    released = InstanceRecord("1.2", InstanceState.CONFIRMED, "2.25.1", accepted=finding)
    for record in (discarded, released):
        record.sha256_received, record.sha256_held = "ab" * 32, "cd" * 32
    row = SeriesTransfer.objects.create(
        task=task,
        series_instance_uid="1",
        new_series_instance_uid="2.25.9",
        instances_named=False,
        expected=2,
        received=2,
        confirmed=1,
        excluded=1,
        discarded=1,
        released=1,
        bytes_received=99,
        deid_counts={"instances": 1},
        instances=encode_records([discarded, released]),
    )
    leases.finish(lease, "SUCCESS", "Done.")
    reset_task(owner, task.pk)
    row.refresh_from_db()
    (kept,) = decode_records(row.instances)
    assert (kept.source_uid, kept.discarded, kept.findings) == ("1.1", True, finding)
    assert (row.expected, row.excluded, row.discarded, row.state) == (1, 1, 1, "EXCLUDED")
    assert (row.received, row.confirmed, row.released, row.bytes_received) == (0, 0, 0, 0)
    assert row.new_series_instance_uid == ""

    # The next run does not take it, also where the source does not name what it has.
    ledger = load_ledger(task.pk)
    planned = PlannedSeries(series_instance_uid="1", expected=2, counted=True)
    ledger.expect(Plan("P", [planned]))
    assert not ledger.received("1", "1.1", "ab" * 32, 7)
    assert ledger.received("1", "1.2", "ab" * 32, 7)
    totals = ledger.totals()
    assert (totals.expected, totals.excluded, totals.discarded) == (2, 1, 1)


@pytest.mark.parametrize("by", ["kill", "give up"])
def test_the_series_of_a_failed_task_are_not_in_progress(by, job, owner, staff, tasks_of):
    task, _ = tasks_of(job)
    lease = claim(task)
    make_series(task)
    if by == "kill":
        kill_task(staff, task.pk)
    else:
        leases.finish(lease, "FAILURE", "Its process ended. Given up.")
    assert states(task) == ["SUCCESS", "FAILURE", "WARNING", "FAILURE"]


def test_a_kill_in_a_job_that_is_being_canceled_cancels_them(job, owner, staff, tasks_of):
    task, _ = tasks_of(job)
    claim(task)
    make_series(task)
    cancel_job(owner, job.pk)
    kill_task(staff, task.pk)
    assert states(task) == ["SUCCESS", "CANCELED", "CANCELED", "CANCELED"]


def test_other_tasks_keep_their_series(job, owner, staff, tasks_of):
    first, second = tasks_of(job)
    claim(first)
    lease = claim(second)
    make_series(first)
    make_series(second)
    leases.finish(lease, "FAILURE", "Over.")
    assert states(first) == ["SUCCESS", "IN_PROGRESS", "IN_PROGRESS", "PENDING"]
    leases.finish(leases.Lease(first.pk, job.pk, "", lease_of(first), 1), "SUCCESS", "")
    retry_job(owner, job.pk)
    assert states(second) == ["SUCCESS", "FAILURE", "WARNING", "FAILURE"]


def lease_of(task):
    return DicomTask.objects.values_list("lease", flat=True).get(pk=task.pk)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_transfer_that_is_canceled_and_resumed_ends_with_a_whole_ledger(make_user, workers):
    number = 400
    with (
        PacsDouble("FROM", instances=small_studies(1, number)) as source_pacs,
        PacsDouble("TO") as destination_pacs,
    ):
        user = make_user(is_superuser=True)
        source = double_node("FROM", source_pacs, max_instances_per_second=40)
        destination = double_node("TO", destination_pacs)
        grant_access(user.active_group, source, source=True)
        grant_access(user.active_group, destination, destination=True)
        job = transfer_job(user, source, destination, 1)
        (task,) = tasks_of(job)
        workers.start()
        wait_for(lambda: SeriesTransfer.objects.filter(task=task, sent__gt=0).exists())
        cancel_job(user, job.pk)
        wait_for(lambda: job_state(job) == "CANCELED")
        series = SeriesTransfer.objects.get(task=task)
        assert series.state == "CANCELED"
        assert 0 < series.sent < number
        type(source).objects.filter(pk=source.pk).update(max_instances_per_second=None)
        resume_job(user, job.pk)
        dispatch()
        wait_for(lambda: job_state(job) == "SUCCESS")
        series.refresh_from_db()
        assert (series.state, series.confirmed) == ("SUCCESS", number)

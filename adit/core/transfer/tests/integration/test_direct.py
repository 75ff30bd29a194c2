"""Direct C-MOVE: the source sends straight to the destination, and only the destination is
believed."""

import pytest

from adit.core.factories import DicomServerFactory
from adit.core.models import DicomServer, DirectMoveRoute, SeriesTransfer
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.stack.orthanc_rest import Modality
from adit.test_pacs.double import PacsDouble

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

# Fault of the source; how many of the 40 instances come directly, and what else is fetched.
FAULTS = {
    "none": ({}, 40),
    "success with missing ones": ({"leave_out": 3}, 34),
    "zero sub-operations": ({"zero_suboperations": True}, 0),
    "all failed but success": ({"all_failed_but_success": True}, 0),
    "success before sending": ({"success_before_sending": True, "delay": 0.01}, 40),
    "endless pending": ({"endless_pending": True}, 40),
    "duplicates": ({"duplicates": True}, 40),
    "another patient's instances": ({"wrong_patient": True}, 0),
    "abort in the middle": ({"abort_after": 15}, 30),
}


@pytest.fixture(autouse=True)
def impatient(settings):
    settings.DICOM_PROGRESS_TIMEOUT = 2
    settings.CONFIRM_PATIENCE_SECONDS = 1
    # What did not come directly is to come by C-GET once the fault is over.
    settings.TRANSFER_RECONNECT_WAITS = []


@pytest.fixture
def taker(transactional_db):
    with PacsDouble("TAKER") as double:
        DicomServerFactory(name="TAKER", ae_title="TAKER", port=double.port)
        yield double


@pytest.fixture
def route(double_source, pacs, taker):
    """The source knows the destination under a name of its own."""
    pacs.peers["TAKER_ALIAS"] = ("127.0.0.1", taker.port)
    server = DicomServer.objects.get(name="TAKER")
    return DirectMoveRoute.objects.create(
        source=double_source, destination=server, destination_ae_title="TAKER_ALIAS"
    )


def uids_at(taker):
    return sorted(s.sop_instance_uid for s in taker.seen.stores if s.status == 0)


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_arrived_directly_is_proven_and_the_rest_goes_the_ordinary_way(
    fault, route, pacs, taker, make_task, work, example_study
):
    switches, direct = FAULTS[fault]
    for name, value in switches.items():
        setattr(pacs.faults, name, value)
    task = make_task(route.destination, pseudonym="", source=route.source)
    result = work(task)
    by_us = {s.sop_instance_uid for s in taker.seen.stores if s.calling_ae_title == "ADIT"}
    by_source = {s.sop_instance_uid for s in taker.seen.stores if s.calling_ae_title == "DOUBLE"}
    wanted = {str(ds.SOPInstanceUID) for ds in example_study.instances}
    held = {str(i.sop_instance_uid) for i in taker.archive}
    confirmed = {r.source_uid for r in records_of(task) if r.state == "c"}
    assert confirmed == held & wanted
    assert len(by_source & wanted) == direct
    assert not by_us & by_source
    complete = wanted <= held
    assert (result.state == "SUCCESS") == complete, result.message
    if direct == 40:
        assert complete and not by_us
        assert task.protocol == "C-MOVE, direct"
        assert task.proof == "sent directly and found at TAKER by C-FIND"
        assert {row.state for row in SeriesTransfer.objects.filter(task=task)} == {"SUCCESS"}


def test_what_is_missing_afterwards_comes_by_another_protocol(route, pacs, taker, make_task, work):
    pacs.faults.fail_moves = True
    task = make_task(route.destination, pseudonym="", source=route.source)
    result = work(task)
    assert (result.state, len(taker.archive)) == ("SUCCESS", 40), result.message
    assert task.protocol == "C-GET"
    assert task.events.filter(text__contains="did not arrive directly").exists()


def test_a_source_that_does_not_know_the_destination_is_no_obstacle(
    route, pacs, taker, make_task, work
):
    pacs.peers.clear()
    task = make_task(route.destination, pseudonym="", source=route.source)
    assert work(task).state == "SUCCESS"
    assert len(taker.archive) == 40
    assert task.events.filter(text__contains="does not know the AE title").exists()


def test_what_is_pseudonymised_never_goes_directly(route, taker, make_task, work):
    task = make_task(route.destination, source=route.source)
    assert work(task).state == "SUCCESS"
    assert {s.calling_ae_title for s in taker.seen.stores} == {"ADIT"}


def test_a_route_that_is_switched_off_is_not_used(route, taker, make_task, work):
    DirectMoveRoute.objects.update(is_active=False)
    assert work(make_task(route.destination, pseudonym="", source=route.source)).state == "SUCCESS"
    assert {s.calling_ae_title for s in taker.seen.stores} == {"ADIT"}


def test_only_what_is_missing_is_sent_after_an_interruption(
    route, pacs, taker, make_task, work, again
):
    pacs.faults.leave_out = 15
    pacs.faults.fail_gets = True
    task = make_task(route.destination, pseudonym="", source=route.source)
    first = work(task)
    assert (first.state, first.retry) == ("WARNING", True)
    assert 0 < len(taker.archive) < 40
    pacs.faults.clear()
    again(task)
    assert work(task).state == "SUCCESS"
    assert len(taker.seen.stores) == len(set(uids_at(taker))) == 40


def test_orthanc_sends_directly_to_orthanc(
    source, destination, orthancs, make_task, work, holdings, example_study
):
    orthancs[0].add_modality("ORTHANC2", Modality("ORTHANC2", orthancs[1].dicom_port))
    DirectMoveRoute.objects.create(
        source=source, destination=destination, destination_ae_title="ORTHANC2"
    )
    task = make_task(destination, pseudonym="")
    result = work(task)
    assert (result.state, task.protocol) == ("SUCCESS", "C-MOVE, direct"), result.message
    assert {ds.SOPInstanceUID for ds in holdings()} == {
        ds.SOPInstanceUID for ds in example_study.instances
    }

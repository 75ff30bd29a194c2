"""Peers that fail and lie: what the user sees, and that nothing is lost or doubled."""

import copy

import pytest
from pydicom.uid import generate_uid

from adit.core.models import DicomServer
from adit.core.transfer import pipeline
from adit.core.transfer.tests.integration.conftest import part10
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.core.transfer.twins import TWIN

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

# Fault at the source, and how many of the 40 instances the destination shows afterwards.
SOURCE_FAULTS = {
    # Three of each of its two series.
    "success with missing ones": ({"leave_out": 3}, "WARNING", 34),
    "zero sub-operations": ({"zero_suboperations": True}, "FAILURE", 0),
    "all failed but success": ({"all_failed_but_success": True}, "FAILURE", 0),
    "another patient's instances": ({"wrong_patient": True}, "FAILURE", 0),
    "duplicates": ({"duplicates": True}, "SUCCESS", 40),
    "padded UIDs": ({"pad_uids": "space"}, "SUCCESS", 40),
}


@pytest.fixture(autouse=True)
def impatient(settings):
    settings.DICOM_PROGRESS_TIMEOUT = 3
    settings.CONFIRM_PATIENCE_SECONDS = 2


@pytest.mark.parametrize("fault", list(SOURCE_FAULTS))
def test_a_source_that_lies_never_makes_a_false_success(
    fault, double_source, pacs, destination, make_task, work, holdings
):
    switches, state, delivered = SOURCE_FAULTS[fault]
    for name, value in switches.items():
        setattr(pacs.faults, name, value)
    task = make_task(destination, source=double_source)
    result = work(task)
    assert (result.state, len(holdings())) == (state, delivered), result.message
    confirmed = [record for record in records_of(task) if record.state == "c"]
    assert len(confirmed) == delivered
    if state != "SUCCESS":
        assert result.retry
        assert f"{delivered} of 40 instances confirmed at ORTHANC2" in result.message


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_an_answer_that_cannot_be_read_is_no_smaller_study(
    level, double_source, pacs, destination, make_task, work, holdings
):
    pacs.faults.nameless_levels = (level,)
    result = work(make_task(destination, source=double_source))
    assert (result.state, len(holdings())) == ("FAILURE", 0), result.message
    assert "could not be read" in result.message
    assert "Ask the administrator of the server" in result.message


@pytest.fixture
def twins(orthancs, example_study):
    """A study of two series of three instances, one of which has the same UID in both."""
    uids = [generate_uid() for _ in range(5)]
    study_uid, made = generate_uid(), []
    for own in (uids[:3], uids[2:]):
        series_uid = generate_uid()
        for uid in own:
            ds = copy.deepcopy(example_study.instances[0])
            ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, series_uid
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid
            made.append(orthancs[0].request("POST", "/instances", part10(ds))["ID"])
    yield str(study_uid)
    for one in made:
        orthancs[0].request("DELETE", f"/instances/{one}")


@pytest.mark.parametrize("protocol", ["C-GET", "WADO-RS"])
def test_of_two_instances_with_one_uid_one_arrives_and_the_other_is_named(
    protocol, twins, source, destination, make_task, work, holdings, again
):
    DicomServer.objects.filter(pk=source.pk).update(
        preferred_retrieve=protocol, dicomweb_wado_support=True
    )
    task = make_task(destination, study_instance_uid=twins)
    for _ in range(2):
        result = work(task)
        assert (result.state, result.retry) == ("WARNING", False), result.message
        assert result.message == f"5 of 6 instances confirmed at ORTHANC2. 1: {TWIN}"
        uids = [str(ds.SOPInstanceUID) for ds in holdings()]
        assert len(uids) == len(set(uids)) == 5
        confirmed = {r.new_uid for r in records_of(task) if r.state == "c"}
        assert confirmed == set(uids)
        again(task)


def test_after_an_abort_the_rest_comes_over_the_next_association(
    double_source, pacs, destination, make_task, work, holdings
):
    pacs.faults.abort_after = 15
    task = make_task(destination, source=double_source)
    result = work(task)
    assert result.state == "SUCCESS", result.message
    uids = [ds.SOPInstanceUID for ds in holdings()]
    assert len(uids) == len(set(uids)) == 40


def test_a_source_that_is_away_too_long_is_left_to_the_next_attempt(
    double_source, pacs, destination, make_task, work, holdings, again, settings
):
    settings.TRANSFER_RECONNECT_WAITS = []
    pacs.faults.abort_after = 15
    task = make_task(destination, source=double_source)
    first = work(task)
    assert (first.state, first.retry) == ("WARNING", True)
    before = {ds.SOPInstanceUID for ds in holdings()}
    assert 0 < len(before) < 40
    pacs.faults.clear()
    again(task)
    assert work(task).state == "SUCCESS"
    after = [ds.SOPInstanceUID for ds in holdings()]
    assert len(after) == len(set(after)) == 40
    assert before < set(after)


def taker():
    return DicomServer.objects.get(name="TAKER")


@pytest.fixture
def source_of_two_protocols(double_source, orthancs):
    """The double by C-GET, which comes first, and what Orthanc has of the same study by WADO-RS."""
    DicomServer.objects.filter(pk=double_source.pk).update(
        preferred_retrieve="C-GET",
        study_root_move_support=False,
        patient_root_move_support=False,
        dicomweb_root_url=orthancs[0].dicomweb_url,
        dicomweb_wado_support=True,
    )
    return double_source


@pytest.fixture
def arrivals(monkeypatch):
    """How many instances came from the source in each fetch."""
    found = []

    def counted(instances):
        found.append(0)
        for instance in instances:
            found[-1] += 1
            yield instance

    check_in = pipeline.check_in
    monkeypatch.setattr(pipeline, "check_in", lambda them, *rest: check_in(counted(them), *rest))
    return found


@pytest.mark.parametrize(("fault", "by_get"), [("leave_out", 34), ("fail_gets", 0)])
def test_what_one_protocol_does_not_bring_the_next_one_does(
    fault, by_get, source_of_two_protocols, pacs, double_destination, make_task, work, arrivals
):
    setattr(pacs.faults, fault, 3)
    task = make_task(taker(), source=source_of_two_protocols)
    result = work(task)
    assert result.state == "SUCCESS", result.message
    assert task.protocol == "WADO-RS"
    story = [event.text for event in task.events.order_by("pk")]
    assert [text.split()[-1] for text in story if text.startswith("Fetching")] == [
        "C-GET.",
        "WADO-RS.",
    ]
    stores = [str(store.sop_instance_uid) for store in double_destination.seen.stores]
    assert len(stores) == len(set(stores)) == 40
    # By the second protocol came only what the first had not brought.
    assert (sum(arrivals[:-1]), arrivals[-1]) == (by_get, 40 - by_get)


def test_what_the_destination_refuses_once_is_sent_again_and_arrives_once(
    source, double_destination, make_task, work
):
    double_destination.faults.refuse_every_nth_store = 10
    result = work(make_task(taker()))
    assert result.state == "SUCCESS", result.message
    uids = [str(instance.sop_instance_uid) for instance in double_destination.archive]
    assert len(uids) == len(set(uids)) == 40
    assert len(double_destination.seen.stores) == 44


def test_what_the_destination_refuses_for_good_is_named_and_not_sent_again(
    source, double_destination, make_task, work, again
):
    double_destination.faults.refuse_every_nth_store = 10
    double_destination.faults.refuse_store_status = 0xC001
    task = make_task(taker())
    result = work(task)
    assert (result.state, result.retry) == ("WARNING", False)
    assert result.message.startswith("36 of 40 instances confirmed at TAKER")
    refused = {s.sop_instance_uid for s in double_destination.seen.stores if s.status}
    named = {r.new_uid or r.source_uid for r in records_of(task) if r.state == "f"}
    assert len(named) == len(refused) == 4
    assert all("C001" in r.reason for r in records_of(task) if r.state == "f")
    assert len(double_destination.seen.stores) == 40


def test_remarks_of_the_destination_are_kept_and_shown(source, double_destination, make_task, work):
    double_destination.faults.warn_every_nth_store = 10
    task = make_task(taker())
    result = work(task)
    assert result.state == "SUCCESS"
    assert "4: The destination discarded some elements" in result.message
    assert sum("discarded" in r.reason for r in records_of(task)) == 4


def test_what_the_destination_forgets_is_not_confirmed(source, double_destination, make_task, work):
    double_destination.faults.forget_every_nth_store = 10
    result = work(make_task(taker()))
    assert (result.state, result.retry) == ("WARNING", True)
    assert result.message.startswith("36 of 40 instances confirmed at TAKER")
    assert "not found at the destination" in result.message


def test_a_destination_that_refuses_all_fails_with_its_words(
    source, double_destination, make_task, work
):
    double_destination.faults.refuse_every_nth_store = 1
    result = work(make_task(taker()))
    assert (result.state, result.retry) == ("FAILURE", True)
    assert "TAKER" in result.message and "A700" in result.message

"""How a server shows what it holds, and what the receipt says of it."""

import copy
import threading
import time
from collections import Counter

import pytest

from adit.core.dicom import CancelToken, DicomOperator
from adit.core.factories import DeidProfileFactory, DicomServerFactory
from adit.core.models import DicomServer, DirectMoveRoute
from adit.core.models.records import HAD_ALREADY, NOT_SHOWN
from adit.core.transfer.confirmation import Inquiry, QueryWay
from adit.core.transfer.tests.integration.conftest import part10
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.test_pacs.double import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

NO_FIND = {"study_root_find_support": False, "patient_root_find_support": False}


@pytest.fixture(autouse=True)
def impatient(settings):
    settings.CONFIRM_PATIENCE_SECONDS = 3


@pytest.fixture
def taker(transactional_db):
    with PacsDouble("TAKER") as double:
        DicomServerFactory(name="TAKER", ae_title="TAKER", port=double.port)
        yield double


def server(**changes):
    DicomServer.objects.filter(name="TAKER").update(**changes)
    return DicomServer.objects.get(name="TAKER")


def test_a_server_that_can_be_queried_proves_by_query(source, taker, make_task, work):
    task = make_task(server())
    assert work(task).state == "SUCCESS"
    assert task.proof == "found at TAKER by C-FIND"


def test_a_server_without_query_commits_itself(source, taker, make_task, work):
    task = make_task(server(**NO_FIND, storage_commitment_support=True))
    result = work(task)
    assert result.state == "SUCCESS", result.message
    assert task.proof == "committed to by TAKER (storage commitment)"


def test_what_a_server_does_not_commit_itself_to_is_not_confirmed(source, taker, make_task, work):
    taker.faults.forget_every_nth_store = 10
    result = work(make_task(server(**NO_FIND, storage_commitment_support=True)))
    assert (result.state, result.retry) == ("WARNING", True)
    assert result.message.startswith("36 of 40 instances confirmed at TAKER")


def test_an_answer_that_cannot_be_read_proves_nothing_and_hides_no_other(
    source, taker, make_task, work
):
    taker.faults.nameless_levels = ("IMAGE",)
    task = make_task(server())
    result = work(task)
    assert (result.state, result.retry) == ("WARNING", True)
    assert result.message.startswith("38 of 40 instances confirmed at TAKER")
    reasons = [record.reason for record in records_of(task) if record.state != "c"]
    assert len(reasons) == 2
    assert all("1 answer of TAKER to a query could not be read" in reason for reason in reasons)


def test_a_server_that_never_reports_proves_nothing(source, taker, make_task, work, settings):
    settings.CONFIRM_PATIENCE_SECONDS = 1
    taker.faults.forget_commitment = True
    result = work(make_task(server(**NO_FIND, storage_commitment_support=True)))
    assert (result.state, result.retry) == ("FAILURE", True)


def test_a_server_that_offers_nothing_is_believed_and_the_receipt_says_so(
    source, taker, make_task, work
):
    task = make_task(server(**NO_FIND))
    assert work(task).state == "SUCCESS"
    assert task.proof == "accepted by TAKER, which offers no query for instances"


def test_a_server_that_refuses_image_level_is_believed_and_the_receipt_says_so(
    source, taker, make_task, work
):
    taker.faults.refused_levels = ("IMAGE",)
    task = make_task(server())
    assert work(task).state == "SUCCESS"
    assert task.proof == "accepted by TAKER, which offers no query for instances"


def test_a_server_that_indexes_late_is_waited_for(source, taker, make_task, work, settings):
    settings.CONFIRM_PATIENCE_SECONDS = 30
    taker.faults.silent_levels = ("IMAGE",)

    def index_late():
        while len(taker.seen.stores) < 40:
            time.sleep(0.05)
        time.sleep(2)
        taker.faults.silent_levels = ()

    thread = threading.Thread(target=index_late)
    thread.start()
    result = work(make_task(server()))
    thread.join()
    assert result.state == "SUCCESS", result.message
    assert len(taker.seen.stores) == 40


def test_where_c_find_breaks_qido_is_asked(source, destination, make_task, work, holdings):
    # C-FIND goes to a port where nobody listens.
    DicomServer.objects.filter(pk=destination.pk).update(
        dicomweb_qido_support=True, dicomweb_stow_support=True, preferred_store="STOW-RS", port=1
    )
    task = make_task(destination)
    result = work(task)
    assert result.state == "SUCCESS", result.message
    assert task.proof == "found at ORTHANC2 by QIDO-RS"


@pytest.mark.parametrize("protocol", ["C-FIND", "QIDO-RS"])
def test_equal_uids_under_an_earlier_pseudonym_are_no_proof(
    protocol, destination, holdings, example_study, orthancs
):
    series_uid = example_study.instances[0].SeriesInstanceUID
    them = [ds for ds in example_study.instances if ds.SeriesInstanceUID == series_uid]
    for pseudonym, instances in (("PSEUDO0", them[:6]), ("PSEUDO1", them[4:8])):
        for ds in copy.deepcopy(instances):
            ds.PatientID = pseudonym
            orthancs[1].request("POST", "/instances", part10(ds))
    destination.dicomweb_qido_support = True
    destination.preferred_query = protocol
    uids = [str(ds.SOPInstanceUID) for ds in them]
    with DicomOperator(destination.to_config()) as operator:
        assert operator.query_protocols()[0] == protocol
        for pseudonym, there in (("PSEUDO0", uids[:6]), ("PSEUDO1", uids[4:8]), ("P", [])):
            way = QueryWay(operator, pseudonym)
            assert way.held(example_study.uid, series_uid, uids) == set(there)


@pytest.fixture
def holds_others(taker, example_study):
    """A destination that has equal UIDs under another patient, and keeps nothing that is sent."""
    others = copy.deepcopy(example_study.instances)
    for ds in others:
        ds.PatientID = "2002"
    taker.archive.add_datasets(others)
    taker.faults.forget_every_nth_store = 1
    return taker


@pytest.mark.parametrize("pseudonym", ["", "PSEUDO1"])
@pytest.mark.parametrize("names_patients_below", [True, False])
def test_equal_uids_under_another_patient_prove_no_transfer(
    names_patients_below, pseudonym, source, holds_others, make_task, work, settings
):
    settings.CONFIRM_PATIENCE_SECONDS = 0
    holds_others.faults.no_patient_below_study = not names_patients_below
    profile = DeidProfileFactory(options=["retain_uids"]) if pseudonym else None
    task = make_task(server(), pseudonym=pseudonym, profile=profile)
    result = work(task)
    assert (result.state, task.proof) == ("FAILURE", ""), result.message


def test_equal_uids_under_another_patient_prove_no_direct_transfer(
    double_source, pacs, holds_others, make_task, work, settings
):
    settings.CONFIRM_PATIENCE_SECONDS = 0
    pacs.peers["TAKER"] = ("127.0.0.1", holds_others.port)
    DirectMoveRoute.objects.create(
        source=double_source, destination=server(), destination_ae_title="TAKER"
    )
    task = make_task(server(), source=double_source, pseudonym="")
    result = work(task)
    assert pacs.seen.operations()["C-MOVE"]
    assert (result.state, task.proof) == ("FAILURE", ""), result.message


def test_a_commitment_is_no_proof_where_the_server_can_be_queried(
    source, holds_others, make_task, work, settings
):
    """It names no patient: the server may commit itself to another's instances."""
    settings.CONFIRM_PATIENCE_SECONDS = 0
    result = work(make_task(server(storage_commitment_support=True), pseudonym=""))
    assert result.state == "FAILURE", result.message


def test_a_server_that_refuses_image_level_commits_itself(source, taker, make_task, work):
    taker.faults.refused_levels = ("IMAGE",)
    task = make_task(server(storage_commitment_support=True))
    result = work(task)
    assert result.state == "SUCCESS", result.message
    assert task.proof == "committed to by TAKER (storage commitment)"


@pytest.mark.parametrize("pseudonym", ["", "PSEUDO1"])
def test_a_server_that_names_no_patient_proves_nothing(
    pseudonym, source, taker, make_task, work, settings
):
    settings.CONFIRM_PATIENCE_SECONDS = 0
    taker.faults.ignored_keys = ("PatientID",)
    task = make_task(server(), pseudonym=pseudonym)
    result = work(task)
    assert (result.state, task.proof) == ("FAILURE", ""), result.message


def test_one_question_for_the_study_serves_all_its_series(destination, taker, example_study):
    taker.archive.add_datasets(example_study.instances)
    expected: dict[str, set[str]] = {}
    for ds in example_study.instances:
        expected.setdefault(str(ds.SeriesInstanceUID), set()).add(str(ds.SOPInstanceUID))
    with DicomOperator(server().to_config()) as operator:
        inquiry = Inquiry([QueryWay(operator, {example_study.patient_id})], CancelToken(), 0)
        found, _ = inquiry.find(example_study.uid, expected, None)
    assert found == expected
    levels = Counter(request.level for request in taker.seen.requests)
    assert levels == {"STUDY": 1, "IMAGE": len(expected)}


# Duplicate SOP instance (0111): no proof by itself.


@pytest.fixture
def knows_all(taker):
    """A destination that answers to each instance that it has it already, and keeps none."""
    taker.faults.refuse_every_nth_store = 1
    taker.faults.refuse_store_status = 0x0111
    return taker


def notes_of(task):
    return Counter(record.reason for record in records_of(task) if record.state == "c")


def reasons_of(task):
    return {record.reason for record in records_of(task) if record.state == "f"}


@pytest.mark.parametrize(
    "ways", [{}, {**NO_FIND, "storage_commitment_support": True}], ids=["query", "commitment"]
)
def test_what_a_server_had_already_and_shows_is_confirmed_and_said(
    ways, source, knows_all, example_study, make_task, work
):
    knows_all.archive.add_datasets(example_study.instances)
    task = make_task(server(**ways), pseudonym="")
    result = work(task)
    assert result.state == "SUCCESS", result.message
    assert notes_of(task) == {HAD_ALREADY: 40}


@pytest.mark.parametrize(
    "ways", [{}, {**NO_FIND, "storage_commitment_support": True}], ids=["query", "commitment"]
)
def test_what_a_server_says_to_have_already_but_does_not_show_has_failed(
    ways, source, knows_all, make_task, work, settings
):
    settings.CONFIRM_PATIENCE_SECONDS = 1
    task = make_task(server(**ways))
    assert work(task).state == "FAILURE"
    assert reasons_of(task) == {NOT_SHOWN}
    assert len(records_of(task)) == 40


def test_a_server_that_cannot_be_asked_is_not_believed_that_it_had_it_already(
    source, knows_all, make_task, work
):
    task = make_task(server(**NO_FIND))
    result = work(task)
    assert (result.state, result.retry) == ("FAILURE", False)
    assert task.proof == ""
    (reason,) = reasons_of(task)
    assert "holds one with the same UID. [0111]" in reason and "Compare them there" in reason


def test_nor_is_one_that_turns_out_to_refuse_the_question(source, knows_all, make_task, work):
    knows_all.faults.refused_levels = ("IMAGE",)
    task = make_task(server())
    assert work(task).state == "FAILURE"
    assert reasons_of(task) == {NOT_SHOWN}


def test_what_this_task_has_stored_before_stays_stored(
    source, taker, make_task, work, again, settings
):
    """As after a kill before the proof; then it is sent again, and the server had it already."""
    settings.CONFIRM_PATIENCE_SECONDS = 0
    taker.faults.silent_levels = ("IMAGE",)
    task = make_task(server())
    assert work(task).state == "FAILURE"
    taker.faults.refuse_every_nth_store, taker.faults.refuse_store_status = 1, 0x0111
    server(**NO_FIND)
    again(task)
    result = work(task)
    assert result.state == "SUCCESS", result.message
    assert len(taker.seen.stores) == 80

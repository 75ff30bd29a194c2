"""A source that has one Study Instance UID under two patients: nobody gets the other's images."""

import copy
from functools import partial

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from adit.core.factories import DicomServerFactory
from adit.core.models import DicomServer, DirectMoveRoute, TaskEvent
from adit.core.transfer.ledger import ANOTHER_PATIENT
from adit.core.transfer.patients import ANOTHER_ID
from adit.core.transfer.tests.integration.conftest import part10
from adit.core.transfer.tests.integration.test_transfer import PROTOCOLS, records_of
from adit.test_pacs.double import PacsDouble

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

OTHER = "2002"


def of_other(ds, **changes):
    """The data set as a copy of another patient, with the values of the other's own pixels."""
    new = copy.deepcopy(ds)
    new.PatientID, new.PatientName = OTHER, "Wrong^Patient"
    new.PixelData = bytes(len(new.PixelData))
    for keyword, value in changes.items():
        setattr(new, keyword, value)
    new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    return new


def apart(instances):
    """Instances of another patient in the same study and series, under SOP UIDs of their own."""
    return [of_other(ds, SOPInstanceUID=generate_uid()) for ds in instances[:5]]


def twice(instances):
    """Copies of all under another patient: every UID is there twice."""
    return [of_other(ds) for ds in instances]


def beside(instances):
    """A series of the other's own in the same study."""
    series = generate_uid()
    return [
        of_other(ds, SOPInstanceUID=generate_uid(), SeriesInstanceUID=series)
        for ds in instances[:5]
    ]


@pytest.fixture(autouse=True)
def impatient(settings):
    settings.CONFIRM_PATIENCE_SECONDS = 3
    settings.DICOM_PROGRESS_TIMEOUT = 3
    settings.TRANSFER_RECONNECT_WAITS = []


@pytest.fixture
def share(orthancs, request):
    """Give the source what another patient has under the same UIDs."""

    def do(others):
        for ds in others:
            stored = orthancs[0].request("POST", "/instances", part10(ds))
        path = f"/patients/{stored['ParentPatient']}"
        request.addfinalizer(partial(orthancs[0].request, "DELETE", path))

    return do


def pixels_of(instances):
    return sorted(bytes(ds.PixelData) for ds in instances)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@pytest.mark.parametrize("others", [apart, twice, beside])
@pytest.mark.parametrize("pseudonym", ["PSEUDO1", ""])
def test_only_what_is_of_the_patient_arrives(
    pseudonym,
    others,
    protocol,
    share,
    source,
    destination,
    receiver,
    make_task,
    work,
    holdings,
    example_study,
):
    share(others(example_study.instances))
    DicomServer.objects.filter(pk=source.pk).update(**PROTOCOLS[protocol])
    task = make_task(destination, pseudonym=pseudonym)
    result = work(task)
    arrived = holdings()
    assert {ds.PatientID for ds in arrived} == {pseudonym or "1001"}
    assert (result.state, result.message) == (
        "SUCCESS",
        "40 of 40 instances confirmed at ORTHANC2.",
    )
    assert pixels_of(arrived) == pixels_of(example_study.instances)


@pytest.mark.parametrize("job", [{}, {"convert_to_nifti": True}])
@pytest.mark.parametrize("others", [apart, twice])
def test_a_folder_gets_only_what_is_of_the_patient(
    others, job, share, source, folder, make_task, work, example_study
):
    share(others(example_study.instances))
    task = make_task(folder, job=job)
    result = work(task)
    assert result.message.startswith("40 of 40 instances"), result.message
    if not job:
        files = [dcmread(path) for path in (folder.root() / task.destination_path).rglob("*.dcm")]
        assert pixels_of(files) == pixels_of(example_study.instances)


@pytest.fixture
def shared_double(pacs, example_study):
    """The double with the other's instances before and behind the patient's own."""
    pacs.archive.clear()
    others = apart(example_study.instances)
    for instances in (others[:3], example_study.instances, others[3:]):
        pacs.archive.add_datasets(instances)
    return pacs


@pytest.mark.parametrize("pseudonym", ["PSEUDO1", ""])
@pytest.mark.parametrize("fails", ["", "fail_gets"])
def test_a_source_that_names_patients_is_asked_for_this_one(
    fails, pseudonym, shared_double, double_source, receiver, destination, make_task, work, holdings
):
    shared_double.peers["ADIT_RECEIVER"] = ("127.0.0.1", receiver.port)
    if fails:
        setattr(shared_double.faults, fails, True)
    task = make_task(destination, source=double_source, pseudonym=pseudonym)
    result = work(task)
    assert {ds.PatientID for ds in holdings()} == {pseudonym or "1001"}
    assert (result.state, len(holdings())) == ("SUCCESS", 40), result.message


@pytest.mark.parametrize("pseudonym", ["PSEUDO1", ""])
@pytest.mark.parametrize("first", ["own", "other"])
def test_of_two_copies_under_the_same_uids_the_patients_own_is_taken(
    first, pseudonym, pacs, double_source, destination, make_task, work, holdings, example_study
):
    pacs.archive.clear()
    copies = [example_study.instances, twice(example_study.instances)]
    for instances in copies if first == "own" else reversed(copies):
        pacs.archive.add_datasets(instances)
    assert len(pacs.archive) == 80
    task = make_task(destination, source=double_source, pseudonym=pseudonym)
    result = work(task)
    assert result.state == "SUCCESS", result.message
    assert {ds.PatientID for ds in holdings()} == {pseudonym or "1001"}
    assert pixels_of(holdings()) == pixels_of(example_study.instances)


@pytest.mark.parametrize("pseudonym", ["PSEUDO1", ""])
@pytest.mark.parametrize("silent", [(), ("IMAGE",)])
def test_what_a_source_lists_for_all_patients_is_told_apart_when_it_comes(
    silent, pseudonym, shared_double, double_source, destination, make_task, work, holdings, again
):
    shared_double.faults.no_patient_below_study = True
    shared_double.faults.silent_levels = silent
    task = make_task(destination, source=double_source, pseudonym=pseudonym)
    result = work(task)
    assert {ds.PatientID for ds in holdings()} == {pseudonym or "1001"}
    assert (result.state, result.retry, len(holdings())) == ("WARNING", False, 40)
    assert f"5: {ANOTHER_PATIENT}" in result.message
    refused = [record for record in records_of(task) if record.reason == ANOTHER_PATIENT]
    assert [(record.state, record.retry, record.new_uid) for record in refused] == [
        ("f", False, "")
    ] * 5
    again(task)
    assert work(task).message == result.message
    assert len(holdings()) == 40


def test_a_shared_study_is_not_sent_directly(
    shared_double, double_source, make_task, work, example_study
):
    with PacsDouble("TAKER") as taker:
        server = DicomServerFactory(name="TAKER", ae_title="TAKER", port=taker.port)
        shared_double.peers["TAKER"] = ("127.0.0.1", taker.port)
        DirectMoveRoute.objects.create(
            source=double_source, destination=server, destination_ae_title="TAKER"
        )
        task = make_task(server, source=double_source, pseudonym="")
        result = work(task)
        assert (result.state, len(taker.archive)) == ("SUCCESS", 40), result.message
        assert {one.patient_id for one in taker.archive} == {"1001"}
        assert not shared_double.seen.operations()["C-MOVE"]


@pytest.mark.parametrize("pseudonym", ["PSEUDO1", ""])
def test_headers_with_an_old_patient_id_are_said_once_and_no_obstacle(
    pseudonym, pacs, double_source, destination, make_task, work, holdings, example_study
):
    """The source has filed the study under another ID and left the headers as they were."""
    pacs.archive.clear()
    pacs.archive.add_datasets(example_study.instances)
    for instance in pacs.archive:
        instance.attributes.PatientID = "NEW-1001"
    task = make_task(destination, source=double_source, pseudonym=pseudonym, patient_id="NEW-1001")
    result = work(task)
    assert (result.state, len(holdings())) == ("SUCCESS", 40), result.message
    said = TaskEvent.objects.filter(task=task, text=ANOTHER_ID)
    assert [event.level for event in said] == ["warning"]

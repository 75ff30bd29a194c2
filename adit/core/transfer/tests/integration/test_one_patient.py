"""One patient stays one patient: over jobs, protocols, attempts and studies."""

from datetime import datetime
from functools import partial

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from adit.core.factories import DeidProfileFactory
from adit.core.models import DicomServer
from adit.core.models.profiles import DEFAULT_PROFILE_OPTIONS
from adit.core.transfer.tests.integration.conftest import part10
from adit.core.transfer.tests.integration.test_transfer import PROTOCOLS
from adit.test_pacs.phantoms import PATIENTS, study_instances

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def profile(transactional_db):
    return DeidProfileFactory(options=list(DEFAULT_PROFILE_OPTIONS))


@pytest.fixture
def transfer(source, destination, receiver, make_task, work, holdings, orthancs, profile):
    """Do a job of its own, and read back all that arrived by it."""

    def do(protocol, **changes) -> dict[str, Dataset]:
        DicomServer.objects.filter(pk=source.pk).update(**PROTOCOLS[protocol])
        orthancs[1].clear()
        task = make_task(destination, profile=profile, **changes)
        assert work(task).state == "SUCCESS", task.message
        assert task.protocol == protocol
        return {str(ds.SOPInstanceUID): ds for ds in holdings()}

    return do


def test_jobs_over_other_protocols_deliver_the_same_instances(transfer, example_study):
    by_protocol = {protocol: transfer(protocol) for protocol in PROTOCOLS}

    first = by_protocol["C-GET"]
    assert len(first) == len(example_study.instances)
    for protocol, others in by_protocol.items():
        assert others.keys() == first.keys(), protocol
        assert [uid for uid in first if others[uid] != first[uid]] == [], protocol


def test_a_second_attempt_delivers_what_the_first_one_would_have(
    transfer, pacs, double_source, destination, make_task, work, again, holdings, orthancs, profile
):
    first = transfer("C-GET")
    orthancs[1].clear()
    pacs.faults.leave_out = 5
    task = make_task(destination, source=double_source, profile=profile)
    assert work(task).state != "SUCCESS"
    pacs.faults.leave_out = 0
    again(task)
    assert work(task).state == "SUCCESS"

    retried = {str(ds.SOPInstanceUID): ds for ds in holdings()}
    assert retried.keys() == first.keys()
    keywords = ("StudyInstanceUID", "AccessionNumber", "StudyDate", "PatientAge", "StudyID")
    for uid, ds in retried.items():
        for keyword in keywords:
            assert ds.get(keyword) == first[uid].get(keyword), keyword


def days_between(first: str, second: str) -> int:
    one, two = (datetime.strptime(str(text), "%Y%m%d") for text in (first, second))
    return (two - one).days


def test_two_studies_keep_their_distance_and_the_age(transfer, orthancs, request):
    patient = next(p for p in PATIENTS if p.patient_id == "1001")
    before, after = [], []
    for study, protocol in zip(patient.studies[:2], ("C-GET", "WADO-RS"), strict=True):
        (ds, *_) = study_instances(patient, study, scale=0.1)
        ds.SeriesInstanceUID, ds.StudyInstanceUID = generate_uid(), generate_uid()
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        stored = orthancs[0].request("POST", "/instances", part10(ds))
        path = f"/studies/{stored['ParentStudy']}"
        request.addfinalizer(partial(orthancs[0].request, "DELETE", path))
        (arrived,) = transfer(protocol, study_instance_uid=str(ds.StudyInstanceUID)).values()
        before.append(ds)
        after.append(arrived)

    old, new = ([ds.StudyDate for ds in datasets] for datasets in (before, after))
    assert days_between(*old) == days_between(*new) != 0
    assert old[0] != new[0]
    assert after[0].PatientBirthDate == after[1].PatientBirthDate != before[0].PatientBirthDate
    for source, arrived in zip(before, after, strict=True):
        age = days_between(source.PatientBirthDate, source.StudyDate)
        assert days_between(arrived.PatientBirthDate, arrived.StudyDate) == age
        assert arrived.PatientAge == source.PatientAge

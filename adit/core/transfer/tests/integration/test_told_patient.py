"""Headers that name no patient, or another one: what the source tells of the patient counts."""

import copy

import pytest

from adit.core.deid import Assignment
from adit.core.dicom import CancelToken
from adit.core.factories import DeidProfileFactory
from adit.core.models import SeriesTransfer
from adit.core.models.profiles import DEFAULT_PROFILE_OPTIONS
from adit.core.pages.held.look import look_at
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.selective_transfer.preview.samples import Sample, StudyToSample, take_samples

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

SAID = ["Thorax Przybylski", "Thorax Jagoda", "Thorax 1001-XY", "Thorax NEW-88017", "12.08.1956"]
KEPT = [
    {
        "tag": "SeriesDescription",
        "private_creator": "",
        "action": "keep",
        "value": "",
        "reason": "The test keeps it",
    }
]


@pytest.fixture(params=["nobody", "somebody"])
def told(request, pacs, double_source, example_study):
    """A source that files a study under a patient whom only descriptions tell in its headers."""
    who = {
        "nobody": {"PatientID": "", "PatientName": "", "PatientBirthDate": ""},
        "somebody": {"PatientID": "7", "PatientName": "Q^R", "PatientBirthDate": "19110101"},
    }[request.param]
    pacs.archive.clear()
    for ds, text in zip(copy.deepcopy(example_study.instances[: len(SAID)]), SAID, strict=True):
        for keyword, value in who.items():
            setattr(ds, keyword, value)
        ds.SeriesDescription = text
        pacs.archive.add_dataset(ds)
    for instance in pacs.archive:
        instance.attributes.PatientID = "NEW-88017"
        instance.attributes.PatientName = "Przybylski^Jagoda"
        instance.attributes.PatientBirthDate = "19560812"
    return double_source


def test_it_is_cleaned_out_of_what_is_sent(told, destination, make_task, work, holdings):
    profile = DeidProfileFactory(options=list(DEFAULT_PROFILE_OPTIONS))
    task = make_task(destination, source=told, profile=profile, patient_id="1001-XY")
    result = work(task)
    arrived = holdings()
    assert len(arrived) == len(SAID), result.message
    assert {str(ds.SeriesDescription or "") for ds in arrived} == {"Thorax", ""}


def test_it_is_caught_where_it_is_kept(told, destination, make_task, work, holdings):
    profile = DeidProfileFactory(own_rules=KEPT)
    task = make_task(destination, source=told, profile=profile, patient_id="1001-XY")
    result = work(task)
    records = records_of(task)
    assert [record.state for record in records] == ["h"] * len(SAID), result.message
    assert holdings() == []
    kinds = {found.split()[0] for record in records for found in record.findings}
    assert kinds == {"patient_name", "patient_id", "birth_date"}
    row = SeriesTransfer.objects.get(task=task)
    for record in records:
        looked = look_at(row, record)
        assert looked.preview.findings, record.findings
        # What is shown is what would have been sent, to the byte.
        assert looked.is_as_held


def test_a_preview_shows_what_the_transfer_does(told, make_task, destination):
    task = make_task(destination, source=told)
    profile = DeidProfileFactory(own_rules=KEPT).to_profile()
    study = StudyToSample(
        number=1,
        server=told,
        patient_id="1001-XY",
        study_instance_uid=task.study_instance_uid,
        series_instance_uids=frozenset(),
        assignment=Assignment(pseudonym="SEEN-1"),
    )
    samples = [s for s in take_samples([study], profile, CancelToken()) if isinstance(s, Sample)]
    assert [bool(sample.shown and sample.shown.findings) for sample in samples] == [True]

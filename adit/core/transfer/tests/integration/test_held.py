"""Instances that are held, released and discarded, between two real servers."""

import copy

import pytest
from django.db.models.functions import Now

from adit.core.factories import UserFactory
from adit.core.jobs.actions import reset_task, restart_job
from adit.core.jobs.actions.base import Conflict
from adit.core.jobs.actions.held import discard_held, held_key, release_held
from adit.core.models import DicomTask, SeriesTransfer
from adit.core.models.records import InstanceState, decode_records
from adit.core.transfer.deid_counts import DeidCounts
from adit.selective_transfer.models import SelectiveTransferJob
from adit.test_pacs.phantoms import PATIENTS, phantom_uid, study_instances

from .conftest import ExampleStudy, part10

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

KEPT = {
    "own_rules": [
        {
            "tag": "ImageComments",
            "private_creator": "",
            "action": "keep",
            "value": "",
            "reason": "The comments of the study are evaluated",
        }
    ]
}


@pytest.fixture(scope="session")
def example_study(orthancs):
    """Four instances, two of which tell the name of the patient in a comment."""
    patient = next(p for p in PATIENTS if p.patient_id == "1001")
    instances = list(study_instances(patient, patient.studies[1], scale=0.25))[:4]
    study, series = phantom_uid("held", "study"), phantom_uid("held", "series")
    for number, ds in enumerate(instances):
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
        uid = phantom_uid("held", number)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid
        family_name = str(ds.PatientName).split("^")[0]
        ds.ImageComments = f"Seen with {family_name}" if number < 2 else "Nothing of note"
        orthancs[0].request("POST", "/instances", part10(ds))
    return ExampleStudy("1001", study, instances)


@pytest.fixture
def task(source, destination, make_task, holdings):
    """A task whose profile keeps the comments."""
    task = make_task(destination)
    profile = SelectiveTransferJob.objects.get(pk=task.job_id).profile
    type(profile).objects.filter(pk=profile.pk).update(**KEPT)
    return task


@pytest.fixture
def staff(transactional_db):
    return UserFactory(is_staff=True)


def held_of(task):
    row = SeriesTransfer.objects.get(task=task)
    records = [r for r in decode_records(row.instances) if r.state is InstanceState.HELD]
    return row, [held_key(row.pk, r) for r in records], records


def let_run(task):
    DicomTask.objects.filter(pk=task.pk, state="PENDING").update(queued=Now())


def test_what_tells_the_name_is_held_and_the_rest_arrives(task, work, holdings):
    result = work(task)
    assert result.state == "WARNING"
    assert "2 of 4 instances confirmed at ORTHANC2" in result.message
    assert "2: Held: identifying values may remain in ImageComments (0020,4000)" in result.message
    row, keys, records = held_of(task)
    assert (row.held, len(keys)) == (2, 2)
    assert records[0].findings == ("patient_name in (0020,4000) ImageComments",)
    assert len(holdings()) == 2


def test_what_staff_releases_is_delivered_and_only_that(task, work, holdings, staff):
    work(task)
    before = {ds.SOPInstanceUID for ds in holdings()}
    row, keys, records = held_of(task)
    bytes_before = row.bytes_received
    assert release_held(staff, row.pk, keys, records[0].findings) == "2 held instances released."
    let_run(task)
    result = work(task)
    assert (result.state, result.message) == (
        "SUCCESS",
        "4 of 4 instances confirmed at ORTHANC2.",
    )
    arrived = holdings()
    assert before < {ds.SOPInstanceUID for ds in arrived}
    assert len(arrived) == 4
    row.refresh_from_db()
    assert (row.held, row.released, row.confirmed) == (0, 2, 4)
    # The two that were there already were not fetched again.
    assert row.bytes_received < 2 * bytes_before
    assert DeidCounts.from_json(row.deid_counts).instances == 4


def test_what_staff_discards_counts_as_closed(task, work, holdings, staff):
    work(task)
    row, keys, records = held_of(task)
    discard_held(staff, row.pk, keys, records[0].findings)
    let_run(task)
    result = work(task)
    assert (result.state, result.message) == (
        "SUCCESS",
        "2 of 2 instances confirmed at ORTHANC2, 2 excluded (2 discarded by staff).",
    )
    assert len(holdings()) == 2


def test_one_may_be_released_and_the_other_discarded(task, work, holdings, staff):
    work(task)
    row, keys, records = held_of(task)
    discard_held(staff, row.pk, keys[:1], records[0].findings)
    task.refresh_from_db()
    assert task.state == "WARNING"
    release_held(staff, row.pk, keys[1:], records[0].findings)
    let_run(task)
    assert work(task).state == "SUCCESS"
    assert len(holdings()) == 3


@pytest.mark.parametrize("action", [reset_task, restart_job])
def test_what_staff_discards_stays_behind_when_the_task_starts_anew(
    action, task, work, holdings, staff
):
    work(task)
    row, keys, records = held_of(task)
    discard_held(staff, row.pk, keys[:1], records[0].findings)
    if action is reset_task:
        action(task.job.owner, task.pk)
    else:
        action(staff, task.job_id)
    let_run(task)
    result = work(task)
    assert result.message.startswith("2 of 3 instances confirmed at ORTHANC2")
    assert "1 excluded (1 discarded by staff)" in result.message
    row = SeriesTransfer.objects.get(task=task)
    assert (row.held, row.discarded, row.excluded, row.confirmed) == (1, 1, 1, 2)
    kept = {r.source_uid: r for r in decode_records(row.instances)}[records[0].source_uid]
    assert (kept.discarded, kept.findings) == (True, records[0].findings)
    assert len(holdings()) == 2


@pytest.fixture
def change_at_source(orthancs, example_study):
    """Replace an instance under its UID; afterwards it is as before."""
    changed = []

    def put(ds):
        first = orthancs[0]
        query = {"Level": "Instance", "Query": {"SOPInstanceUID": str(ds.SOPInstanceUID)}}
        for one in first.request("POST", "/tools/find", query):
            first.request("DELETE", f"/instances/{one}")
        first.request("POST", "/instances", part10(ds))

    def change(uid, comment):
        original = next(ds for ds in example_study.instances if ds.SOPInstanceUID == uid)
        changed.append(original)
        ds = copy.deepcopy(original)
        ds.ImageComments = comment
        put(ds)

    yield change
    for ds in changed:
        put(ds)


def test_what_the_source_replaced_meanwhile_is_not_what_was_released(
    task, work, holdings, staff, change_at_source
):
    work(task)
    row, keys, records = held_of(task)
    assert release_held(staff, row.pk, keys, records[0].findings)
    family_name = next(p for p in PATIENTS if p.patient_id == "1001").name.split("^")[0]
    change_at_source(records[0].source_uid, f"{family_name} and what nobody has seen")
    let_run(task)
    result = work(task)
    assert result.state == "WARNING"
    assert "Not what staff released, so it waits again." in result.message
    assert not any("nobody" in str(ds.get("ImageComments")) for ds in holdings())
    row, again, records = held_of(task)
    assert (len(again), row.released, row.confirmed) == (1, 1, 3)
    assert again[0] not in keys
    with pytest.raises(Conflict, match="held again with other content"):
        release_held(staff, row.pk, keys, records[0].findings)
    release_held(staff, row.pk, again, records[0].findings)
    let_run(task)
    assert work(task).state == "SUCCESS"
    assert any("nobody" in str(ds.get("ImageComments")) for ds in holdings())


def test_what_was_not_accepted_holds_again(task, work, holdings, staff):
    work(task)
    row, keys, records = held_of(task)
    release_held(staff, row.pk, keys, records[0].findings)
    profile = SelectiveTransferJob.objects.get(pk=task.job_id).profile
    more = [*KEPT["own_rules"], {**KEPT["own_rules"][0], "tag": "PatientBirthDate"}]
    type(profile).objects.filter(pk=profile.pk).update(own_rules=more)
    let_run(task)
    assert work(task).state == "WARNING"
    row, keys, records = held_of(task)
    assert len(keys) == 2
    # All that is found counts anew, for the content is another.
    assert records[0].findings == (
        "birth_date in (0010,0030) PatientBirthDate",
        "patient_name in (0020,4000) ImageComments",
    )


def test_nobody_decides_while_the_task_waits_or_twice(task, work, holdings, staff):
    work(task)
    row, keys, records = held_of(task)
    with pytest.raises(Conflict, match="not what the page showed"):
        release_held(staff, row.pk, keys, ["patient_id in (0010,0020) PatientID"])
    release_held(staff, row.pk, keys[:1], records[0].findings)
    with pytest.raises(Conflict, match="working or waiting"):
        release_held(staff, row.pk, keys[1:], records[0].findings)
    let_run(task)
    work(task)
    with pytest.raises(Conflict, match="not held any more"):
        discard_held(staff, row.pk, keys[:1], records[0].findings)


def test_a_folder_is_complete_once_nothing_is_held_any_more(
    source, folder, make_task, work, staff, settings
):
    task = make_task(folder)
    profile = SelectiveTransferJob.objects.get(pk=task.job_id).profile
    type(profile).objects.filter(pk=profile.pk).update(**KEPT)
    result = work(task)
    (staging,) = settings.MOUNT_DIR.rglob("*.incomplete")
    assert f"they lie in {staging.relative_to(folder.root())}." in result.message
    row, keys, records = held_of(task)
    discard_held(staff, row.pk, keys, records[0].findings)
    let_run(task)
    assert work(task).state == "SUCCESS"
    assert not list(settings.MOUNT_DIR.rglob("*.incomplete"))
    assert len(list(settings.MOUNT_DIR.rglob("*.dcm"))) == 2


def test_what_is_released_joins_its_study_in_the_folder(source, folder, make_task, work, staff):
    task = make_task(folder)
    profile = SelectiveTransferJob.objects.get(pk=task.job_id).profile
    type(profile).objects.filter(pk=profile.pk).update(**KEPT)
    work(task)
    row, keys, records = held_of(task)
    discard_held(staff, row.pk, keys[:1], records[0].findings)
    release_held(staff, row.pk, keys[1:], records[0].findings)
    let_run(task)
    assert work(task).state == "SUCCESS"
    (place,) = (path for path in folder.root().glob("*/*/*"))
    task.refresh_from_db()
    assert place == folder.root() / task.destination_path
    assert len(list(place.rglob("*.dcm"))) == 3


def test_a_nifti_series_with_held_instances_comes_once_they_are_released(
    source, folder, make_task, work, staff
):
    task = make_task(folder, job={"convert_to_nifti": True})
    profile = SelectiveTransferJob.objects.get(pk=task.job_id).profile
    type(profile).objects.filter(pk=profile.pk).update(**KEPT)
    assert work(task).state == "WARNING"
    row, keys, records = held_of(task)
    release_held(staff, row.pk, keys, records[0].findings)
    let_run(task)
    result = work(task)
    assert result.state == "SUCCESS", result.message
    task.refresh_from_db()
    assert list((folder.root() / task.destination_path).rglob("*.nii.gz"))
    assert not list(folder.root().rglob("*.incomplete"))

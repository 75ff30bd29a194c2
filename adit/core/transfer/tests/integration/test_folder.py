import copy

import pytest
from pydicom import dcmread

from adit.core.models import DicomTask, SeriesTransfer
from adit.core.transfer.tests.integration.test_transfer import records_of

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

IDENTIFYING = ("1001", "Müller", "Jörg", "Schädel")


def test_a_study_lies_in_the_folder_under_its_pseudonym(
    source, folder, make_task, work, example_study
):
    task = make_task(folder)
    result = work(task)
    assert (result.state, result.message[:22]) == ("SUCCESS", "40 of 40 instances con")
    files = list(folder.root().rglob("*.dcm"))
    assert len(files) == 40
    study = folder.root() / task.destination_path
    assert study.parent.name == "PSEUDO1"
    assert study.name.endswith("-MR")
    assert len(list(study.iterdir())) == 2
    assert {dcmread(file).PatientID for file in files} == {"PSEUDO1"}
    assert not list(folder.root().rglob("*.incomplete"))


def test_no_name_of_a_folder_or_file_identifies_the_patient(source, folder, make_task, work):
    work(make_task(folder))
    for path in folder.root().rglob("*"):
        if path.suffix == ".dcm":
            # The digits of a keyed UID may contain anything.
            assert path.stem.startswith("2.25.")
        else:
            assert not any(part in path.name for part in IDENTIFYING), path


def test_a_climbing_pseudonym_stays_below_the_folder(source, folder, make_task, work):
    task = make_task(folder, pseudonym="../../..")
    assert work(task).state == "SUCCESS"
    assert all(p.is_relative_to(folder.root()) for p in folder.root().rglob("*.dcm"))
    assert len(list(folder.root().parent.rglob("*.dcm"))) == 40


def test_a_damaged_file_is_not_confirmed(source, folder, make_task, work, monkeypatch):
    from adit.core.transfer.folder_sink import FolderSink
    from adit.core.transfer.instance_destination import InstanceDestination

    prove = InstanceDestination.prove

    def damage_then_prove(self, *args, **kwargs):
        sink: FolderSink = self._sink
        for path in sorted(sink.staging.rglob("*.dcm"))[:1]:
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)
        return prove(self, *args, **kwargs)

    monkeypatch.setattr(InstanceDestination, "prove", damage_then_prove)
    task = make_task(folder)
    result = work(task)
    assert result.state == "WARNING"
    assert result.message.startswith("39 of 40 instances confirmed")
    assert list(folder.root().rglob("*.incomplete"))
    assert len([r for r in records_of(task) if r.state == "c"]) == 39


def test_a_folder_that_cannot_be_written_says_so(source, folder, make_task, work):
    folder.root().parent.mkdir(parents=True)
    folder.root().write_text("a file in the way")
    result = work(make_task(folder))
    assert result.state == "FAILURE"
    assert folder.name in result.message


def test_a_restart_replaces_what_the_task_itself_has_put_there(
    source, folder, make_task, work, again
):
    task = make_task(folder)
    assert work(task).state == "SUCCESS"
    place = task.destination_path
    for _ in range(2):
        SeriesTransfer.objects.filter(task=task).delete()
        again(task)
        assert work(task).state == "SUCCESS"
        assert task.destination_path == place
    assert len(list(folder.root().rglob("*.dcm"))) == 40
    assert not [p for p in folder.root().rglob("*") if p.suffix in (".replaced", ".incomplete")]


def test_a_folder_that_is_in_the_way_is_left_alone(source, folder, make_task, work, again):
    task = make_task(folder)
    assert work(task).state == "SUCCESS"
    first = folder.root() / task.destination_path
    before = sorted(path.name for path in first.rglob("*.dcm"))
    type(task).objects.filter(pk=task.pk).update(destination_path="")
    task.destination_path = ""
    SeriesTransfer.objects.filter(task=task).delete()
    again(task)
    assert work(task).state == "SUCCESS"
    second = folder.root() / task.destination_path
    assert second.name.startswith(f"{first.name}-")
    assert sorted(path.name for path in second.rglob("*.dcm")) == before
    assert sorted(path.name for path in first.rglob("*.dcm")) == before


@pytest.mark.parametrize("series_folders", [True, False])
def test_a_study_of_which_the_rest_never_comes_gets_its_place(
    series_folders, pacs, double_source, folder, make_task, work, again, example_study
):
    """Its two series have the same name; some instances are listed but are another patient's."""
    folder.series_folders = series_folders
    folder.save()
    instances = copy.deepcopy(example_study.instances)
    for ds in instances:
        ds.SeriesNumber, ds.SeriesDescription = 7, "Same"
    pacs.archive.clear()
    for ds in instances[:3]:
        ds.PatientID = "2002"
    pacs.archive.add_datasets(instances)
    pacs.faults.no_patient_below_study = True
    task = make_task(folder, source=double_source)
    result = work(task)
    assert (result.state, result.retry) == ("WARNING", False)
    assert "37 of 40" in result.message
    assert "lie in" not in result.message
    task.refresh_from_db()
    place = folder.root() / task.destination_path
    before = {path.name: path.parent for path in place.rglob("*.dcm")}
    assert len(before) == 37
    assert [path for path in folder.root().glob("*/*/*")] == [place]

    for ds in instances[:3]:
        ds.PatientID = example_study.patient_id
    pacs.archive.clear()
    pacs.archive.add_datasets(instances)
    again(task)
    DicomTask.objects.filter(pk=task.pk).update(attempts=0)
    assert work(task).state == "SUCCESS"
    assert [path for path in folder.root().glob("*/*/*")] == [place]
    after = {path.name: path.parent for path in place.rglob("*.dcm")}
    assert {name: after[name] for name in before} == before
    series = {path: dcmread(path).SeriesInstanceUID for path in place.rglob("*.dcm")}
    homes = {(uid, path.parent) for path, uid in series.items()}
    assert (len(after), len(homes)) == (40, 2)
    assert len({home for _, home in homes}) == (2 if series_folders else 1)


def test_a_study_that_may_still_grow_whole_says_where_it_lies(
    pacs, double_source, folder, make_task, work
):
    pacs.faults.leave_out = 3
    result = work(make_task(folder, source=double_source))
    assert (result.state, result.retry) == ("WARNING", True)
    (staging,) = folder.root().rglob("*.incomplete")
    assert f"they lie in {staging.relative_to(folder.root())}." in result.message


def test_no_message_names_the_folder_of_the_patient(
    pacs, double_source, folder, make_task, work, example_study
):
    pacs.faults.leave_out = 3
    task = make_task(folder, source=double_source, pseudonym="")
    result = work(task)
    (staging,) = folder.root().rglob("*.incomplete")
    job, patient, study = staging.relative_to(folder.root()).parts
    assert patient == example_study.patient_id
    assert f"they lie in {job}/…/{study}." in result.message

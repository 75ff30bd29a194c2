import pytest
from pydicom import dcmread

from adit.core.models import SeriesTransfer
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

"""Folders written by real worker processes that are killed."""

import psutil
import pydicom
import pytest

from adit.core.jobs.tests.integration.test_worker import (  # noqa: F401
    slow_source,
    start_worker,
    wait_for,
    work_dir,
)
from adit.core.models import DicomJob, DicomTask, SeriesTransfer
from adit.core.models.records import decode_records
from adit.core.transfer.tests.integration.conftest import *  # noqa: F403
from adit.selective_transfer.models import SelectiveTransferTask

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def killed_halfway(slow_source, folder, make_task, start_worker, settings, monkeypatch):  # noqa: F811
    """The task of a folder whose worker is killed with its children as soon as `begun` holds;
    another worker brings it to its end."""
    monkeypatch.setenv("MOUNT_DIR", str(settings.MOUNT_DIR))

    def run(begun, **options) -> SelectiveTransferTask:
        task = make_task(folder, source=slow_source, **options)
        first = start_worker()
        wait_for(begun)
        tree = [first, *psutil.Process(first.pid).children(recursive=True)]
        for process in tree:
            process.kill()
        first.wait()
        assert DicomTask.objects.get(pk=task.pk).state == "IN_PROGRESS"
        start_worker()
        wait_for(
            lambda: DicomJob.objects.filter(pk=task.job_id, state__in=DicomJob.ENDED).exists(), 120
        )
        task.refresh_from_db()
        assert task.state == "SUCCESS", task.message
        return task

    return run


def files(folder):
    return [path for path in folder.root().rglob("*") if path.is_file()]


def test_a_study_in_a_folder_is_whole_although_its_worker_was_killed(
    killed_halfway, folder, settings
):
    task = killed_halfway(lambda: len(list(folder.root().rglob("*.dcm"))) >= 8)
    rows = SeriesTransfer.objects.filter(task=task)
    records = [record for row in rows for record in decode_records(row.instances)]
    assert {record.state.value for record in records} == {"c"}
    made = files(folder)
    assert sorted(path.name for path in made) == sorted(f"{r.new_uid}.dcm" for r in records)
    assert len(made) == len(set(path.name for path in made)) == 40
    assert all(path.is_relative_to(folder.root() / task.destination_path) for path in made)
    assert {pydicom.dcmread(path).SOPInstanceUID for path in made} == {r.new_uid for r in records}
    wait_for(lambda: not [path for path in settings.WORK_DIR.rglob("*") if path.is_file()])


def test_a_study_is_converted_once_although_its_worker_was_killed(killed_halfway, folder, settings):
    def kept() -> bool:
        return len(list(settings.WORK_DIR.rglob("nifti-*/in/*.dcm"))) >= 8

    task = killed_halfway(kept, job={"convert_to_nifti": True})
    named = [file["name"] for row in SeriesTransfer.objects.filter(task=task) for file in row.files]
    assert sorted(path.name for path in files(folder)) == sorted(named)
    assert len([name for name in named if name.endswith(".nii.gz")]) == 2
    wait_for(lambda: not [path for path in settings.WORK_DIR.rglob("*") if path.is_file()])

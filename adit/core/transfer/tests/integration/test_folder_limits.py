"""Quota, warn size, a full disk, neighbours: what happens to a folder that is not alone."""

import errno
import shutil
import subprocess
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from pydicom import dcmread

from adit.core.dicom import CancelToken
from adit.core.factories import UserFactory
from adit.core.jobs import leases
from adit.core.jobs.folder_mails import send_folder_mail
from adit.core.jobs.registry import get_kind
from adit.core.jobs.run import TaskRun
from adit.core.models import DicomFolder, DicomTask, SeriesTransfer
from adit.core.models.records import decode_records, encode_records
from adit.core.transfer.folder_sink import FolderSink
from adit.core.transfer.quota import FolderSpace, folder_size
from adit.core.transfer.sink import QuotaExceeded
from adit.selective_transfer.models import SelectiveTransferTask

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def no_mails_waiting(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def limit(folder, **columns):
    DicomFolder.objects.filter(pk=folder.pk).update(**columns)


def used(folder):
    return DicomFolder.objects.values_list("used_bytes", flat=True).get(pk=folder.pk)


def folder_mails():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'adit:send_folder_mail'"
        )
        (number,) = cursor.fetchall()[0]
        return number


def test_what_cannot_fit_is_refused_before_anything_moves(source, folder, make_task, work):
    limit(folder, quota=10_000)
    task = make_task(folder)
    result = work(task)
    assert (result.state, result.retry) == ("FAILURE", False)
    assert "has no room" in result.message
    assert "10.0 kB" in result.message
    assert not folder.root().exists()


def test_a_quota_that_is_passed_on_the_way_stops_for_good(source, folder, make_task, work):
    limit(folder, quota=200_000)
    result = work(make_task(folder))
    assert (result.state, result.retry) == ("WARNING", False)
    assert "the quota is used up" in result.message
    assert 0 < folder_size(folder.root()) <= 200_000


def test_the_other_tasks_of_the_job_are_refused_too(source, folder, make_task, work):
    limit(folder, quota=200_000)
    work(make_task(folder))
    size = folder_size(folder.root())
    for pseudonym in ("PSEUDO2", "PSEUDO3"):
        result = work(make_task(folder, pseudonym=pseudonym))
        assert result.retry is False
        assert "has no room" in result.message
    assert folder_size(folder.root()) <= 200_000
    assert size <= 200_000


def test_after_room_was_made_a_retry_finishes(source, folder, make_task, work, again):
    folder.root().mkdir(parents=True)
    ballast = folder.root() / "ballast"
    ballast.write_bytes(bytes(50_000_000))
    limit(folder, quota=50_100_000)
    task = make_task(folder)
    assert work(task).retry is False
    ballast.unlink()
    again(task)
    assert work(task).state == "SUCCESS"
    # The facts of each series were there while it was staged, and are not counted.
    assert used(folder) == folder_size(folder.root())


def test_sending_again_counts_once(source, folder, make_task, work, again):
    limit(folder, quota=100_000_000)
    task = make_task(folder)
    work(task)
    before = used(folder)
    assert before == folder_size(folder.root())
    FolderSpace(DicomFolder.objects.get(pk=folder.pk)).measure()
    assert used(folder) == before


@pytest.mark.parametrize(("minutes", "counted"), [(50, 1000), (70, 0)])
def test_a_count_is_old_by_the_clock_of_the_database(folder, monkeypatch, minutes, counted):
    """That of this host is wrong by hours, one way or the other."""
    right = timezone.now
    folder.root().mkdir(parents=True)
    limit(folder, quota=1_000_000, used_bytes=1000, measured=right() - timedelta(minutes=minutes))
    offset = timedelta(hours=3 if counted else -3)
    monkeypatch.setattr(timezone, "now", lambda: right() + offset)
    FolderSpace(DicomFolder.objects.get(pk=folder.pk))
    assert used(folder) == counted


def test_two_writers_never_pass_the_quota_together(source, folder):
    limit(folder, quota=1_000_000, measured="2026-01-01T00:00Z")
    folder.root().mkdir(parents=True)
    one = FolderSpace(DicomFolder.objects.get(pk=folder.pk))
    charged = []

    def write():
        for _ in range(200):
            if not one._charge(10_000):
                break
            charged.append(10_000)
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(charged) == 1_000_000
    with pytest.raises(QuotaExceeded):
        limit(folder, used_bytes=1_000_000)
        (folder.root() / "file").write_bytes(bytes(1_000_000))
        one.charge(1)


def test_staff_gets_one_mail_when_the_warn_size_is_passed(source, folder, make_task, work):
    UserFactory(is_staff=True, email="staff@example.org")
    limit(folder, warn_size=100_000)
    work(make_task(folder))
    work(make_task(folder, pseudonym="PSEUDO2"))
    assert folder_mails() == 1
    send_folder_mail(folder.pk)
    (message,) = mail.outbox
    assert message.to == ["staff@example.org"]
    assert "100 KB" in message.body
    assert "PSEUDO" not in message.body + message.subject


def test_a_folder_that_was_emptied_warns_again(source, folder, make_task, work):
    limit(folder, warn_size=100_000)
    work(make_task(folder))
    shutil.rmtree(folder.root())
    FolderSpace(DicomFolder.objects.get(pk=folder.pk)).measure()
    work(make_task(folder, pseudonym="PSEUDO2"))
    assert folder_mails() == 2


def test_two_tasks_with_the_same_study_side_by_side_both_arrive_whole(
    source, folder, make_task, example_study, tmp_path
):
    first = make_task(folder)
    uids = sorted({str(ds.SeriesInstanceUID) for ds in example_study.instances})
    second = make_task(folder)
    # Both in one job, so that they share the folder of the patient and the name of the study.
    SelectiveTransferTask.objects.filter(pk=second.pk).update(job_id=first.job_id)
    SelectiveTransferTask.objects.filter(pk=first.pk).update(series_instance_uids=uids[:1])
    results = {}

    def run(pk):
        task = SelectiveTransferTask.objects.get(pk=pk)
        lease = leases.claim(pk, "test")
        assert lease
        work_folder = tmp_path / lease.token.hex
        work_folder.mkdir()
        processor = get_kind(lease.kind).processor()
        results[pk] = processor(task, TaskRun(lease, CancelToken(), work_folder))
        connection.close()

    threads = [threading.Thread(target=run, args=(pk,)) for pk in (first.pk, second.pk)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {result.state for result in results.values()} == {"SUCCESS"}, results
    places = [SelectiveTransferTask.objects.get(pk=pk).destination_path for pk in results]
    assert len(set(places)) == 2
    numbers = [len(list((folder.root() / place).rglob("*.dcm"))) for place in sorted(places)]
    assert sorted(numbers) == [20, 40]
    assert Counter(path.suffix for path in folder.root().rglob("*") if path.is_file()) == {
        ".dcm": 60
    }


def test_a_kill_between_the_claim_and_the_renaming_costs_nothing(
    source, folder, make_task, work, again, monkeypatch
):
    task = make_task(folder)
    place_study = FolderSink._place_study

    class Killed(BaseException):
        pass

    def die(self):
        rename = self._claim

        def claim_and_die(path):
            rename(path)
            raise Killed

        self._claim = claim_and_die
        place_study(self)

    monkeypatch.setattr(FolderSink, "_place_study", die)
    with pytest.raises(Killed):
        work(task)
    monkeypatch.undo()
    DicomTask.objects.filter(pk=task.pk).update(lease=None, lease_until=None, state="PENDING")
    again(task)
    task.refresh_from_db()
    # Meanwhile another task with the same study has come; it must not be taken for this one's.
    other = make_task(folder)
    SelectiveTransferTask.objects.filter(pk=other.pk).update(job_id=task.job_id)
    assert work(SelectiveTransferTask.objects.get(pk=other.pk)).state == "SUCCESS"
    assert work(task).state == "SUCCESS"
    assert len(list(folder.root().rglob("*.dcm"))) == 80
    assert not list(folder.root().rglob("*.incomplete"))
    assert not list(folder.root().rglob(".series"))


def test_a_study_that_has_grown_keeps_what_was_there(
    source, folder, make_task, work, again, example_study
):
    task = make_task(folder)
    work(task)
    place = folder.root() / task.destination_path
    lost = sorted(place.rglob("*.dcm"))[7]
    row = next(
        row
        for row in SeriesTransfer.objects.filter(task=task)
        if lost.stem in {r.new_uid for r in _records(row)}
    )
    # As if this instance had not been known yet.
    row.instances = encode_records([r for r in _records(row) if r.new_uid != lost.stem])
    row.save()
    before = sorted(path.name for path in place.rglob("*.dcm"))
    again(task)
    assert work(task).state == "SUCCESS"
    assert sorted(path.name for path in place.rglob("*.dcm")) == before
    assert len(list(folder.root().rglob("*.dcm"))) == 40


def _records(row):
    return decode_records(row.instances)


def test_without_series_folders_all_lies_in_the_folder_of_the_study(
    source, folder, make_task, work
):
    limit(folder, series_folders=False)
    task = make_task(folder)
    assert work(task).state == "SUCCESS"
    place = folder.root() / task.destination_path
    assert {path.parent for path in place.rglob("*")} == {place}
    assert len(list(place.iterdir())) == 40


def test_series_folders_are_named_by_what_leaves(source, folder, make_task, work):
    task = make_task(folder, pseudonym="")
    work(task)
    place = folder.root() / task.destination_path
    for one in place.iterdir():
        header = dcmread(next(one.iterdir()), stop_before_pixels=True)
        expected = f"{header.SeriesNumber}-{header.SeriesDescription}"
        assert one.name == expected


@pytest.fixture
def small_disk(tmp_path, folder):
    """A file system of 300 kB in the place of the folder."""
    root = folder.root()
    root.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(root)]
    subprocess.run(command, check=True)
    yield root
    subprocess.run(["umount", str(root)], check=True)


def grow(root, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", str(root)], check=True)


@pytest.mark.parametrize("password", ["", "correct horse battery staple"])
def test_a_full_disk_is_waited_for(password, source, folder, make_task, work, again, small_disk):
    task = make_task(folder, password=password)
    result = work(task)
    assert result.retry
    assert "is full" in result.message
    assert not list(small_disk.rglob("*.partial"))
    grow(small_disk, "50m")
    again(task)
    assert work(task).state == "SUCCESS"
    suffix = "*.part" if password else "*.dcm"
    assert len(list(small_disk.rglob(suffix))) == 40
    assert not list(small_disk.rglob("*.incomplete"))


def test_an_archive_for_which_the_disk_is_too_small_waits(
    source, folder, make_task, work, small_disk, settings
):
    from adit.core.jobs import archives
    from adit.core.jobs.archive_runner import assemble
    from adit.core.models import JobArchive

    settings.TASK_RETRY_WAITS = [0]
    grow(small_disk, "50m")
    task = make_task(folder, password="correct horse battery staple")
    assert work(task).state == "SUCCESS"
    with (small_disk / "ballast").open("wb", buffering=0) as file, pytest.raises(OSError) as full:
        while True:
            file.write(bytes(4096))
    assert full.value.errno == errno.ENOSPC
    lease = archives.claim(task.job_id, "test")
    assert lease
    assemble(lease, CancelToken())
    archive = JobArchive.objects.get(job_id=task.job_id)
    assert (archive.state, "is full" in archive.message) == ("QUEUED", True), archive.message
    assert not list(small_disk.glob("*.incomplete"))
    (small_disk / "ballast").unlink()
    lease = archives.claim(task.job_id, "test")
    assert lease
    assemble(lease, CancelToken())
    assert JobArchive.objects.get(job_id=task.job_id).state == "DONE"

"""A job's archive: encrypted parts, assembled once, opened by other programs."""

import json
import shutil
import subprocess
import threading
import uuid

import py7zr
import pytest
from django.db import connection
from pydicom import dcmread

from adit.core.dicom import CancelToken
from adit.core.factories import DeidProfileFactory, UserFactory, grant_access
from adit.core.jobs import archives, leases
from adit.core.jobs.actions import (
    Conflict,
    InvalidJob,
    cancel_job,
    create_job,
    restart_job,
    resume_job,
    retry_job,
)
from adit.core.jobs.archive_runner import assemble, tidy
from adit.core.jobs.registry import get_kind
from adit.core.jobs.retention import delete_old_jobs
from adit.core.models import DicomJob, DicomNode, DicomTask, JobArchive, SeriesTransfer
from adit.core.transfer.archive.places import parts_root
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery staple"
IDENTIFYING = ("1001", "Müller", "Jörg", "Schädel")


@pytest.fixture
def make_archive_job(source, folder, example_study):
    """A job with an archive, one task per pseudonym."""
    user = UserFactory(is_superuser=True, is_staff=True)

    def make(*pseudonyms, **changes):
        grant_access(user.active_group, source, source=True)
        grant_access(user.active_group, folder, destination=True)
        tasks = [
            SelectiveTransferTask(
                source=DicomNode.objects.get(pk=source.pk),
                destination=DicomNode.objects.get(pk=folder.pk),
                patient_id=example_study.patient_id,
                study_instance_uid=example_study.uid,
                pseudonym=pseudonym,
            )
            for pseudonym in pseudonyms
        ]
        job = SelectiveTransferJob(profile=DeidProfileFactory(), **changes)
        kind = get_kind("selective_transfer")
        create_job(user, kind, job, tasks, archive_password=PASSWORD)
        return job

    return make


@pytest.fixture
def deliver(work):
    """Work on all tasks of a job."""

    def do(job):
        for task in SelectiveTransferTask.objects.filter(job=job).order_by("line"):
            DicomTask.objects.filter(pk=task.pk, queued=None).update(queued="2026-01-01T00:00Z")
            if task.state == "PENDING":
                work(task)

    return do


def claimed(job):
    lease = archives.claim(job.pk, "test")
    assert lease is not None
    return lease


def run_assembly(job):
    lease = claimed(job)
    assemble(lease, CancelToken())
    tidy(job.pk)
    return archive_of(job)


def archive_of(job):
    return JobArchive.objects.get(job_id=job.pk)


def state_of(job):
    return DicomJob.objects.get(pk=job.pk).state


def opened(folder, archive):
    return py7zr.SevenZipFile(folder.root() / archive.name, password=PASSWORD)


def test_an_archive_holds_all_studies_and_a_manifest(make_archive_job, deliver, folder, tmp_path):
    job = make_archive_job("PSEUDO1", "PSEUDO2")
    deliver(job)
    assert state_of(job) == "IN_PROGRESS"
    archive = run_assembly(job)
    assert (archive.state, archive.files, state_of(job)) == ("DONE", 80, "SUCCESS")
    with opened(folder, archive) as file:
        file.extractall(tmp_path / "out")
    files = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(files) == 80
    assert {dcmread(file).PatientID for file in files} == {"PSEUDO1", "PSEUDO2"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {entry["path"] for entry in manifest["files"]} == {
        str(path.relative_to(tmp_path / "out")) for path in files
    }
    assert [study["complete"] for study in manifest["studies"]] == [True, True]


def test_nothing_of_the_job_is_left_beside_the_archive(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    archive = run_assembly(job)
    assert [path.name for path in folder.root().iterdir()] == [archive.name]
    assert not archive.password
    assert not archive.parts_key


def test_no_name_in_the_archive_and_nothing_in_its_manifest_identifies(
    make_archive_job, deliver, folder, tmp_path, example_study
):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    archive = run_assembly(job)
    with opened(folder, archive) as file:
        names = file.getnames()
        file.extract(tmp_path / "out", targets=["manifest.json"])
    for name in names:
        parts = name.split("/")
        assert not any(word in part for part in parts[:-1] for word in IDENTIFYING), name
        assert parts[-1].startswith("2.25.") or name == "manifest.json"
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert example_study.uid not in text
    assert not any(str(ds.SOPInstanceUID) in text for ds in example_study.instances)
    assert not any(word in text for word in IDENTIFYING[1:])


def test_7zip_opens_it_with_the_password_only(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    path = folder.root() / run_assembly(job).name
    # The program asks for the password on its standard input.
    program = shutil.which("7zz") or shutil.which("7z")
    assert program, "apt-get install 7zip"
    good = subprocess.run(
        [program, "t", str(path)],
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
    )
    assert good.returncode == 0, good.stdout + good.stderr
    assert "Everything is Ok" in good.stdout
    bad = subprocess.run(
        [program, "l", str(path)],
        input="wrong\n",
        capture_output=True,
        text=True,
    )
    assert bad.returncode != 0
    assert ".dcm" not in bad.stdout
    with pytest.raises(Exception, match="(?i)password"):
        py7zr.SevenZipFile(path).getnames()


def test_parts_are_never_in_clear(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    parts = list(parts_root(folder.root(), archive_of(job)).rglob("*.part"))
    assert len(parts) == 40
    assert not list(folder.root().rglob("*.dcm"))
    for path in parts:
        data = path.read_bytes()
        assert b"PSEUDO1" not in data
        assert b"2.25." not in data
        assert b"DICM" not in data


def test_the_password_is_in_no_table_in_clear(make_archive_job):
    make_archive_job("PSEUDO1")
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(
                f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE %s', [f"%{PASSWORD}%"]
            )
            assert cursor.fetchone() == (0,), table


def test_only_one_of_two_hosts_assembles(make_archive_job, deliver):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    found = []

    def claim():
        found.append(archives.claim(job.pk, "host"))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(lease is not None for lease in found) == 1


def test_a_host_that_lost_its_lease_gives_no_archive_its_name(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    lost = claimed(job)
    JobArchive.objects.filter(job_id=job.pk).update(state="QUEUED", lease=None, lease_until=None)
    archive = run_assembly(job)
    written = (folder.root() / archive.name).stat()
    assemble(lost, CancelToken())
    assert (folder.root() / archive.name).stat().st_mtime_ns == written.st_mtime_ns
    assert [path.name for path in folder.root().iterdir()] == [archive.name]
    assert archive_of(job).state == "DONE"


def test_an_assembly_whose_worker_died_is_done_by_the_next(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    lease = claimed(job)
    half = folder.root() / f"{archive_of(job).name}.{lease.token.hex}.incomplete"
    half.write_bytes(b"half")
    JobArchive.objects.filter(job_id=job.pk).update(lease_until="2020-01-01T00:00Z")
    archives.sweep_archives()
    assert archive_of(job).state == "QUEUED"
    assert run_assembly(job).state == "DONE"
    assert not half.exists()


def test_a_dead_worker_too_many_fails_the_archive_and_the_job(make_archive_job, deliver, settings):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    for _ in range(settings.TASK_MAX_CRASHES):
        assert archives.claim(job.pk, "host that dies")
        JobArchive.objects.filter(job_id=job.pk).update(lease_until="2020-01-01T00:00Z")
        archives.sweep_archives()
    assert archive_of(job).state == "FAILED"
    assert state_of(job) == "FAILURE"
    # Retry assembles what is there, without a new transfer.
    retry_job(job.owner, job.pk)
    assert archive_of(job).state == "QUEUED"
    assert (run_assembly(job).state, state_of(job)) == ("DONE", "SUCCESS")


def test_a_retry_makes_the_archive_complete(
    make_archive_job, deliver, double_source, pacs, folder, settings
):
    settings.DICOM_PROGRESS_TIMEOUT = 3
    job = make_archive_job("PSEUDO1")
    grant_access(job.owner.active_group, double_source, source=True)
    DicomTask.objects.filter(job=job).update(source=double_source.pk)
    pacs.faults.leave_out = 3
    deliver(job)
    assert SelectiveTransferTask.objects.get(job=job).state == "WARNING"
    archive = run_assembly(job)
    assert (archive.files, state_of(job)) == (34, "WARNING")
    with opened(folder, archive) as file:
        assert len([name for name in file.getnames() if name.endswith(".dcm")]) == 34
    pacs.faults.clear()
    retry_job(job.owner, job.pk)
    assert archive_of(job).state == "WAITING"
    deliver(job)
    archive = run_assembly(job)
    assert (archive.files, state_of(job)) == (40, "SUCCESS")
    assert [path.name for path in folder.root().iterdir()] == [archive.name]


def test_cancel_during_the_tasks_archives_what_was_delivered_and_resume_the_rest(
    make_archive_job, deliver, work, folder
):
    job = make_archive_job("PSEUDO1", "PSEUDO2")
    first = SelectiveTransferTask.objects.filter(job=job).order_by("line").first()
    DicomTask.objects.filter(pk=first.pk, queued=None).update(queued="2026-01-01T00:00Z")
    work(first)
    cancel_job(job.owner, job.pk)
    assert state_of(job) == "CANCELING"
    archive = run_assembly(job)
    assert (archive.files, state_of(job)) == (40, "CANCELED")
    resume_job(job.owner, job.pk)
    deliver(job)
    archive = run_assembly(job)
    assert (archive.files, state_of(job)) == (80, "SUCCESS")


def test_cancel_stops_an_assembly(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    lease = claimed(job)
    cancel_job(job.owner, job.pk)
    assert state_of(job) == "CANCELED"
    assert archives.renew(lease) is leases.LeaseStatus.LOST
    assemble(lease, CancelToken())
    assert not list(folder.root().glob("*.7z"))
    resume_job(job.owner, job.pk)
    assert (run_assembly(job).state, state_of(job)) == ("DONE", "SUCCESS")


def test_a_job_whose_password_is_gone_does_not_start_anew(make_archive_job, deliver):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    run_assembly(job)
    with pytest.raises(Conflict, match="password of its archive is no longer kept"):
        restart_job(job.owner, job.pk)
    assert SeriesTransfer.objects.filter(task__job=job).exists()


def test_old_passwords_are_forgotten_with_their_parts(make_archive_job, deliver, folder, settings):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    cancel_job(job.owner, job.pk)
    JobArchive.objects.filter(job_id=job.pk).update(ended="2020-01-01T00:00Z")
    archives.sweep_archives()
    assert not archive_of(job).password
    tidy(job.pk)
    assert not list(folder.root().iterdir())


def test_a_job_past_its_retention_goes_after_its_parts(make_archive_job, deliver, folder, settings):
    settings.JOB_RETENTION_DAYS = 1
    job = make_archive_job("PSEUDO1")
    deliver(job)
    cancel_job(job.owner, job.pk)
    DicomJob.objects.filter(pk=job.pk).update(end="2020-01-01T00:00Z")
    assert delete_old_jobs() == 0
    archives.sweep_archives()
    tidy(job.pk)
    assert not list(folder.root().iterdir())
    assert delete_old_jobs() == 1
    assert not DicomJob.objects.exists()


def test_a_damaged_part_fails_the_archive(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    part = sorted(parts_root(folder.root(), archive_of(job)).rglob("*.part"))[5]
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    archive = run_assembly(job)
    assert (archive.state, state_of(job)) == ("FAILED", "FAILURE")
    assert not list(folder.root().glob("*.incomplete"))


def test_where_nothing_was_delivered_there_is_no_archive(make_archive_job, deliver, folder):
    job = make_archive_job("PSEUDO1")
    SelectiveTransferTask.objects.filter(job=job).update(study_instance_uid="1.2.3")
    deliver(job)
    archive = run_assembly(job)
    assert (archive.state, state_of(job)) == ("EMPTY", "FAILURE")
    assert not list(folder.root().iterdir())


@pytest.mark.parametrize("password", ["short", "a" * 20, "line\nbreak and more"])
def test_a_weak_password_is_refused(password, source, folder, make_task):
    with pytest.raises(InvalidJob):
        make_task(folder, password=password)
    assert not DicomJob.objects.exists()


def test_a_server_takes_neither_an_archive_nor_nifti(source, destination, make_task):
    with pytest.raises(InvalidJob, match="only be written to a folder"):
        make_task(destination, password=PASSWORD)
    with pytest.raises(InvalidJob, match="only be written to a folder"):
        make_task(destination, job={"convert_to_nifti": True})


def test_a_worker_that_stops_hands_the_assembly_back(make_archive_job, deliver):
    job = make_archive_job("PSEUDO1")
    deliver(job)
    lease = claimed(job)
    assert isinstance(lease.token, uuid.UUID)
    archives.hand_back(lease)
    archive = archive_of(job)
    assert (archive.state, archive.attempts) == ("QUEUED", 0)

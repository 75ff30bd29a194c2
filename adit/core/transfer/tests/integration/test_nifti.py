"""NIfTI files in a folder, compared with what dcm2niix makes of the originals."""

import copy
import json
import subprocess
import threading
import time
from typing import Any

import dcm2niix
import nibabel
import numpy
import psutil
import pytest

from adit.core.dicom import Canceled, CancelToken, PermanentDicomError, TransientDicomError
from adit.core.factories import DicomServerFactory
from adit.core.models import SeriesTransfer
from adit.core.transfer.nifti import conversion
from adit.core.transfer.nifti.conversion import convert
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.test_pacs.double import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

NIFTI = {"convert_to_nifti": True}
IDENTIFYING = ("1001", "Müller", "Jörg", "M_ller", "J_rg", "Schädel", "Sch_del")


def images(root):
    return sorted(root.rglob("*.nii.gz"))


@pytest.fixture
def originals(example_study, tmp_path):
    """What dcm2niix makes of the series as they are at the source."""
    made = []
    for uid in sorted({ds.SeriesInstanceUID for ds in example_study.instances}):
        source, target = tmp_path / uid / "in", tmp_path / uid / "out"
        source.mkdir(parents=True)
        target.mkdir()
        for ds in example_study.instances:
            if uid == ds.SeriesInstanceUID:
                ds.save_as(source / f"{ds.SOPInstanceUID}.dcm", enforce_file_format=True)
        command = [dcm2niix.bin, "-z", "i", "-f", "image", "-o", str(target), str(source)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        made += images(target)
    return made


def voxels(path):
    image: Any = nibabel.load(path)
    data = numpy.asarray(image.dataobj)
    return image.shape, image.affine.round(4).tobytes(), data.tobytes()


def test_the_images_equal_those_of_the_originals(source, folder, make_task, work, originals):
    task = make_task(folder, job=NIFTI)
    result = work(task)
    assert result.state == "SUCCESS", result.message
    made = images(folder.root())
    assert len(made) == len(originals) == 2
    assert sorted(map(voxels, made)) == sorted(map(voxels, originals))
    assert not list(folder.root().rglob("*.dcm"))
    assert not list(folder.root().rglob("*.incomplete"))


def test_nothing_identifies_in_names_sidecars_and_headers(
    source, folder, make_task, work, example_study
):
    work(make_task(folder, job=NIFTI))
    sidecars = list(folder.root().rglob("*.json"))
    assert len(sidecars) == 2
    values = {str(value) for ds in example_study.instances for value in identifiers_of(ds)}
    for path in sidecars:
        fields = json.loads(path.read_text())
        assert not {"PatientName", "PatientID", "PatientBirthDate"} & set(fields)
        text = path.read_text()
        assert not [value for value in values if value in text]
    for path in images(folder.root()):
        header: Any = nibabel.load(path).header
        text = b" ".join([header["descrip"].item(), header["aux_file"].item()]).decode("latin-1")
        assert not any(word in text for word in IDENTIFYING)
    for path in folder.root().rglob("*"):
        assert not any(word in path.name for word in IDENTIFYING), path


def identifiers_of(ds):
    for keyword in (
        "PatientName",
        "PatientBirthDate",
        "AccessionNumber",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "ReferringPhysicianName",
        "InstitutionName",
        "StudyDate",
        "StudyDescription",
    ):
        value = ds.get(keyword)
        if value:
            yield value


def test_the_ledger_names_the_files_with_their_hashes(source, folder, make_task, work):
    task = make_task(folder, job=NIFTI)
    work(task)
    assert {record.state for record in records_of(task)} == {"c"}
    files = [file for row in SeriesTransfer.objects.filter(task=task) for file in row.files]
    assert {file["name"] for file in files} == {
        path.name for path in folder.root().rglob("*") if path.is_file()
    }
    assert task.events.filter(text__contains="became 1 NIfTI file").count() == 2


def test_a_series_that_lacks_an_instance_is_not_converted(
    double_source, pacs, folder, make_task, work, again, settings
):
    settings.DICOM_PROGRESS_TIMEOUT = 3
    pacs.faults.leave_out = 1
    task = make_task(folder, source=double_source, job=NIFTI)
    result = work(task)
    assert (result.state, result.retry) == ("FAILURE", True)
    assert not [record for record in records_of(task) if record.state in ("s", "c")]
    assert not images(folder.root())
    pacs.faults.clear()
    again(task)
    assert work(task).state == "SUCCESS"
    assert len(images(folder.root())) == 2


def test_series_without_pixels_stay_behind(
    transactional_db, folder, make_task, work, example_study
):
    report = copy.deepcopy(example_study.instances[0])
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(report, keyword)
    report.Modality = "SR"
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    report.SeriesInstanceUID = "1.2.3.4"
    report.SeriesNumber = 99
    with PacsDouble("WITHSR", instances=[*example_study.instances, report]) as double:
        source = DicomServerFactory(name="WITHSR", ae_title="WITHSR", port=double.port)
        task = make_task(folder, pseudonym="", source=source, job=NIFTI)
        result = work(task)
    assert result.state == "SUCCESS", result.message
    row = SeriesTransfer.objects.get(task=task, modality="SR")
    assert (row.state, row.reason) == (
        "EXCLUDED",
        "Modality SR has no pixels to convert to NIfTI.",
    )


def test_an_archive_may_hold_nifti_files(source, folder, make_task, work):
    import py7zr

    from adit.core.jobs import archives
    from adit.core.jobs.archive_runner import assemble
    from adit.core.models import JobArchive

    task = make_task(folder, job=NIFTI, password="correct horse battery staple")
    assert work(task).state == "SUCCESS"
    lease = archives.claim(task.job_id, "test")
    assert lease is not None
    assemble(lease, CancelToken())
    archive = JobArchive.objects.get(job_id=task.job_id)
    assert archive.state == "DONE", archive.message
    path = folder.root() / archive.name
    with py7zr.SevenZipFile(path, password="correct horse battery staple") as file:
        names = file.getnames()
    assert sum(name.endswith(".nii.gz") for name in names) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1, PermanentDicomError),
        (2, PermanentDicomError),
        (7, TransientDicomError),
        (8, PermanentDicomError),
        (77, PermanentDicomError),
    ],
)
def test_an_exit_code_is_told_in_words(code, error, tmp_path):
    with pytest.raises(error) as caught:
        conversion._judge(code, [])
    assert "dcm2niix" in str(caught.value)


def test_incomplete_volumes_are_a_warning(tmp_path):
    made = conversion._judge(10, [tmp_path / "image.nii.gz"])
    assert made.warning == "dcm2niix found incomplete volumes"


def test_junk_is_refused_in_words(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_bytes(b"junk" * 1000)
    with pytest.raises(PermanentDicomError, match="no image"):
        convert(tmp_path / "in", tmp_path / "out", 4000, CancelToken())


@pytest.fixture
def endless(monkeypatch, tmp_path):
    """A converter that never ends, in the place of dcm2niix."""
    program = tmp_path / "endless"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr(dcm2niix, "bin", program)
    (tmp_path / "in").mkdir()
    return tmp_path


def children():
    return [p for p in psutil.Process().children() if "1000" in p.cmdline()]


def test_cancel_kills_the_converter(endless):
    cancel = CancelToken()

    def cancel_soon():
        while not children():
            time.sleep(0.05)
        cancel.cancel()

    thread = threading.Thread(target=cancel_soon)
    thread.start()
    with pytest.raises(Canceled):
        convert(endless / "in", endless / "out", 1, cancel)
    thread.join()
    assert not children()


def test_a_conversion_that_takes_too_long_is_ended(endless, monkeypatch):
    monkeypatch.setattr(conversion, "_BASE_SECONDS", 1)
    with pytest.raises(TransientDicomError, match="took more than 1 seconds"):
        convert(endless / "in", endless / "out", 1, CancelToken())
    assert not children()

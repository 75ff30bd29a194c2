"""The double behaves like a PACS towards DCMTK."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from adit.test_pacs import PacsDouble

from .conftest import Run

pytestmark = [pytest.mark.integration, pytest.mark.interop]


def keys(**values: str) -> list[str]:
    return [part for key, value in values.items() for part in ("-k", f"{key}={value}")]


def find(
    dcmtk: Run, pacs: PacsDouble, folder: Path, model: str = "-S", **values: str
) -> list[Dataset]:
    done = dcmtk(
        "findscu", model, "-X", "-od", folder, "-aec", pacs.ae_title, "127.0.0.1", pacs.port,
        *keys(**values),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def test_it_answers_an_echo(dcmtk: Run, source: PacsDouble):
    assert dcmtk("echoscu", "-aec", "SOURCE", "127.0.0.1", source.port).returncode == 0


def test_a_name_is_found_by_wildcard_in_its_character_set(
    dcmtk: Run, source: PacsDouble, tmp_path: Path
):
    results = find(
        dcmtk,
        source,
        tmp_path,
        QueryRetrieveLevel="STUDY",
        PatientName="ivan*",
        StudyInstanceUID="",
    )
    assert results == []
    results = find(
        dcmtk, source, tmp_path, QueryRetrieveLevel="STUDY", PatientName="*RG", StudyInstanceUID=""
    )
    assert [str(result.PatientName) for result in results] == ["Müller^Jörg"]


def test_studies_are_found_by_range_and_modality_and_carry_counts(
    dcmtk: Run, source: PacsDouble, head: list[Dataset], tmp_path: Path
):
    results = find(
        dcmtk,
        source,
        tmp_path,
        QueryRetrieveLevel="STUDY",
        StudyDate="20230101-20230601",
        StudyTime="081530-081531",
        ModalitiesInStudy="CT",
        NumberOfStudyRelatedInstances="",
        NumberOfStudyRelatedSeries="",
        StudyInstanceUID="",
    )
    assert [result.StudyInstanceUID for result in results] == [head[0].StudyInstanceUID]
    assert results[0].NumberOfStudyRelatedInstances == 24
    assert results[0].NumberOfStudyRelatedSeries == 1


def test_series_and_instances_are_found_by_lists_of_uids(
    dcmtk: Run, source: PacsDouble, head: list[Dataset], compressed: list[Dataset], tmp_path: Path
):
    series = find(
        dcmtk,
        source,
        tmp_path / "series" if (tmp_path / "series").mkdir() is None else tmp_path,
        QueryRetrieveLevel="SERIES",
        StudyInstanceUID=compressed[0].StudyInstanceUID,
        SeriesInstanceUID="",
        NumberOfSeriesRelatedInstances="",
    )
    assert [result.NumberOfSeriesRelatedInstances for result in series] == [10, 10]
    (tmp_path / "images").mkdir()
    images = find(
        dcmtk,
        source,
        tmp_path / "images",
        QueryRetrieveLevel="IMAGE",
        StudyInstanceUID=head[0].StudyInstanceUID,
        SeriesInstanceUID=head[0].SeriesInstanceUID,
        SOPInstanceUID=f"{head[0].SOPInstanceUID}\\{head[5].SOPInstanceUID}",
        InstanceNumber="",
    )
    assert sorted(result.InstanceNumber for result in images) == [1, 6]


def test_patients_are_found_in_the_patient_root_model(
    dcmtk: Run, source: PacsDouble, tmp_path: Path
):
    results = find(dcmtk, source, tmp_path, "-P", QueryRetrieveLevel="PATIENT", PatientID="")
    assert sorted(result.PatientID for result in results) == ["1001", "1003", "1009"]


def test_getscu_fetches_a_study(
    dcmtk: Run, source: PacsDouble, head: list[Dataset], tmp_path: Path
):
    done = dcmtk(
        "getscu", "-S", "-od", tmp_path, "-aec", "SOURCE", "127.0.0.1", source.port,
        *keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=head[0].StudyInstanceUID),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    got = {dcmread(path).SOPInstanceUID for path in tmp_path.iterdir()}
    assert got == {ds.SOPInstanceUID for ds in head}


def test_movescu_moves_compressed_instances_unchanged(
    dcmtk: Run, source: PacsDouble, destination: PacsDouble, compressed: list[Dataset]
):
    done = dcmtk(
        "movescu", "-S", "-aec", "SOURCE", "-aem", "DEST", "127.0.0.1", source.port,
        *keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=compressed[0].StudyInstanceUID),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    for ds in compressed:
        before, after = (
            source.archive.get(ds.SOPInstanceUID),
            destination.archive.get(ds.SOPInstanceUID),
        )
        assert after.encoded() == before.encoded()
        assert after.transfer_syntax_uid == ds.file_meta.TransferSyntaxUID


def test_getscu_gets_compressed_instances_decompressed_where_it_takes_nothing_else(
    dcmtk: Run, source: PacsDouble, compressed: list[Dataset], tmp_path: Path
):
    done = dcmtk(
        "getscu", "-S", "-od", tmp_path, "-aec", "SOURCE", "127.0.0.1", source.port,
        *keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=compressed[0].StudyInstanceUID),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    got = {ds.SOPInstanceUID: ds for ds in map(dcmread, tmp_path.iterdir())}
    assert len(got) == 20
    for ds in compressed:
        assert (got[ds.SOPInstanceUID].pixel_array == ds.pixel_array).all()


def test_a_process_keeps_what_it_got_in_its_folder_and_stops_at_sigterm(
    dcmtk: Run, head: list[Dataset], tmp_path: Path
):
    files = tmp_path / "files"
    files.mkdir()
    for ds in head:
        ds.save_as(files / ds.SOPInstanceUID, enforce_file_format=True)
    command = [sys.executable, "-m", "adit.test_pacs", "--ae-title", "SOLO"]
    command += ["--folder", str(tmp_path / "archive"), "--peer", "OTHER=127.0.0.1:104"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout
    line = process.stdout.readline()
    try:
        port = line.split(",")[0].rpartition(":")[2]
        done = dcmtk("storescu", "-aec", "SOLO", "127.0.0.1", port, "+sd", files)
        assert done.returncode == 0, done.stdout
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with PacsDouble("SOLO", tmp_path / "archive") as pacs:
        assert len(pacs.archive) == 24

"""The example studies are many-sided, valid and the same on every call."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from adit.test_pacs.phantoms import (
    PATIENTS,
    PYDICOM_SAMPLES,
    example_instances,
    study_instances,
    write_example_studies,
)

SCALE = 0.2


@pytest.fixture(scope="module")
def instances() -> list[Dataset]:
    return list(example_instances(SCALE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_example_studies(folder, SCALE, samples=False)
    return folder


def tool(name: str) -> str:
    """The path of a program that the development dependencies bring along."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert path, f"{name} is missing: uv sync"
    return path


def test_there_are_at_least_twelve_patients_and_one_study_has_312_instances():
    assert len(PATIENTS) >= 12
    sizes = [study.instances for patient in PATIENTS for study in patient.studies]
    assert sizes.count(312) == 1


def test_every_kind_of_object_is_there(instances: list[Dataset]):
    modalities = Counter(ds.Modality for ds in instances)
    assert {"CT", "MR", "US", "CR", "SR", "DOC"} <= set(modalities)
    assert any(ds.get("NumberOfFrames", 1) > 1 for ds in instances)
    assert {ds.file_meta.TransferSyntaxUID.name for ds in instances} >= {
        "JPEG 2000 Image Compression (Lossless Only)",
        "RLE Lossless",
        "JPEG-LS Lossless Image Compression",
        "Implicit VR Little Endian",
        "Explicit VR Little Endian",
    }


def test_no_two_instances_share_a_uid(instances: list[Dataset]):
    assert len({ds.SOPInstanceUID for ds in instances}) == len(instances)
    assert len(instances) == sum(s.instances for p in PATIENTS for s in p.studies) + len(
        PYDICOM_SAMPLES
    )


def test_two_runs_write_the_same_bytes(tmp_path: Path):
    patient = next(patient for patient in PATIENTS if patient.patient_id == "1009")
    for run in ("a", "b"):
        for ds in study_instances(patient, patient.studies[0], SCALE):
            (tmp_path / run).mkdir(exist_ok=True)
            ds.save_as(tmp_path / run / ds.SOPInstanceUID, enforce_file_format=True)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 20
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.patient_id)
def test_a_name_survives_its_character_set(patient, folder: Path):
    ds = next(study_instances(patient, patient.studies[0], SCALE))
    path = folder / ds.StudyInstanceUID / ds.SeriesInstanceUID / f"{ds.SOPInstanceUID}.dcm"
    assert str(dcmread(path).PatientName) == patient.name


def test_dciodvfy_finds_no_error_in_any_series(folder: Path):
    errors = []
    for series in sorted(path for path in folder.glob("*/*") if path.is_dir()):
        first = sorted(series.iterdir())[0]
        done = subprocess.run(
            [tool("dciodvfy"), first], capture_output=True, encoding="utf-8", errors="replace"
        )
        errors += [line for line in done.stderr.splitlines() if line.startswith("Error")]
    unset = (
        "Error - Missing attribute Type 2C Conditional Element=<Laterality> Module=<GeneralSeries>"
    )
    assert [error for error in errors if error.strip() != unset] == []


def test_dcm2niix_converts_every_ct_and_mr_series(folder: Path, tmp_path: Path):
    wanted = {
        (ds.PatientID, ds.SeriesInstanceUID): ds
        for ds in example_instances(SCALE, samples=False)
        if ds.Modality in ("CT", "MR")
    }
    for (_, series_uid), ds in wanted.items():
        source, target = folder / ds.StudyInstanceUID / series_uid, tmp_path / series_uid
        target.mkdir()
        subprocess.run([tool("dcm2niix"), "-o", target, source], check=True, capture_output=True)
        assert list(target.glob("*.nii")), (
            f"{ds.PatientID} {ds.SeriesDescription} was not converted"
        )

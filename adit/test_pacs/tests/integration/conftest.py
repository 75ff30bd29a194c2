"""Two PACS doubles that know each other, and DCMTK's programs."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from pydicom import Dataset

from adit.test_pacs import PacsDouble
from adit.test_pacs.phantoms import PATIENTS, study_instances

Run = Callable[..., subprocess.CompletedProcess[str]]


def examples(patient_id: str, number: int = 0) -> list[Dataset]:
    """The instances of one small example study."""
    patient = next(patient for patient in PATIENTS if patient.patient_id == patient_id)
    return list(study_instances(patient, patient.studies[number], scale=0.15))


@pytest.fixture(scope="session")
def head() -> list[Dataset]:
    """24 CT instances of Jörg Müller."""
    return examples("1001")


@pytest.fixture(scope="session")
def compressed() -> list[Dataset]:
    """20 MR instances, half JPEG 2000, half RLE."""
    return examples("1009")


@pytest.fixture(scope="session")
def chest() -> list[Dataset]:
    """30 CT instances of another patient."""
    return examples("1003")


@pytest.fixture
def destination() -> Iterator[PacsDouble]:
    with PacsDouble("DEST") as pacs:
        yield pacs


@pytest.fixture
def source(
    destination: PacsDouble,
    head: list[Dataset],
    compressed: list[Dataset],
    chest: list[Dataset],
) -> Iterator[PacsDouble]:
    peers = {"DEST": ("127.0.0.1", destination.port)}
    with PacsDouble("SOURCE", instances=[*head, *compressed, *chest], peers=peers) as pacs:
        yield pacs


@pytest.fixture(scope="session")
def dcmtk() -> Run:
    """Runs one of DCMTK's programs and returns what it printed."""

    def run(program: str, *arguments: object, timeout: float = 60):
        path = shutil.which(program, path="/usr/bin")
        assert path, f"{program} is missing: apt-get install dcmtk"
        return subprocess.run(
            [path, *map(str, arguments)],
            env=os.environ | {"TCP_NODELAY": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="latin-1",
            timeout=timeout,
        )

    return run

"""A browser in front of the running system."""

import io
import json
import time
import urllib.request
from collections.abc import Callable

import psycopg
import pytest
from pydicom import Dataset, dcmread

from adit.test_pacs.phantoms import PATIENTS, phantom_uid, study_instances


class Destination:
    """ORTHANC2, seen by its own REST API."""

    def __init__(self, rest):
        self._rest = rest

    def instances(self, study_uid: str) -> list[Dataset]:
        """All instances of a study, read back."""
        found = self._rest.request(
            "POST",
            "/tools/find",
            {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}},
        )
        return [dcmread(io.BytesIO(self._file(one))) for one in found]

    def instances_of(self, patient_id: str) -> list[Dataset]:
        """All instances of a patient, read back."""
        found = self._rest.request(
            "POST", "/tools/find", {"Level": "Instance", "Query": {"PatientID": patient_id}}
        )
        return [dcmread(io.BytesIO(self._file(one))) for one in found]

    def study_of(self, sop_instance_uid: str) -> str:
        """The Study Instance UID of an instance."""
        (found,) = self._rest.request(
            "POST",
            "/tools/find",
            {"Level": "Instance", "Query": {"SOPInstanceUID": sop_instance_uid}},
        )
        return str(dcmread(io.BytesIO(self._file(found))).StudyInstanceUID)

    def _file(self, instance: str) -> bytes:
        with urllib.request.urlopen(f"{self._rest.http_url}/instances/{instance}/file") as answer:
            return answer.read()


# Instances of the study that takes several seconds.
BIG = 1500


@pytest.fixture(scope="session")
def big_study(system):
    """A study at ORTHANC1 that takes long enough to be watched and interrupted."""
    patient, study = next((p, s) for p in PATIENTS for s in p.studies if s.instances == 312)
    template = next(iter(study_instances(patient, study)))
    template.PatientID, template.PatientName = "2001", "Langmann^Quirin"
    template.StudyDescription = "CT of many slices"
    template.StudyInstanceUID = phantom_uid("acceptance", "study")
    template.SeriesInstanceUID = phantom_uid("acceptance", "series")
    rest = system.orthanc("ORTHANC1")
    for number in range(BIG):
        uid = phantom_uid("acceptance", number)
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = uid
        template.InstanceNumber = number + 1
        buffer = io.BytesIO()
        template.save_as(buffer, enforce_file_format=True)
        rest.request("POST", "/instances", buffer.getvalue())
    return "2001", "CT of many slices"


@pytest.fixture
def destination(system):
    return Destination(system.orthanc("ORTHANC2"))


@pytest.fixture
def source(system):
    return Destination(system.orthanc("ORTHANC1"))


@pytest.fixture
def prefer(system):
    """Let ORTHANC1 be read by a certain protocol."""

    def set_protocol(protocol: str) -> None:
        with psycopg.connect(system.database_url) as connection:
            connection.execute(
                "UPDATE core_dicomserver SET preferred_retrieve = %s WHERE ae_title = 'ORTHANC1'",
                [protocol],
            )

    yield set_protocol
    set_protocol("")


@pytest.fixture
def query(system):
    """Look into the database of the running system."""

    def run(statement: str, *values):
        with psycopg.connect(system.database_url) as connection:
            return connection.execute(statement.encode(), values).fetchone()

    return run


@pytest.fixture
def console(page):
    """Errors in the browser's console, violations of the Content-Security-Policy among them."""
    found: list[str] = []
    page.on("console", lambda m: found.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: found.append(str(e)))
    return found


@pytest.fixture
def log_in(page, system):
    def do(name: str = "researcher") -> None:
        page.goto(f"{system.url}/accounts/login/")
        page.locator("[name=username]").fill(name)
        page.locator("[name=password]").fill(name)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "login" not in url)

    return do


def wait_for(condition: Callable, seconds: float = 120.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds} seconds")


def read_json(page, url: str):
    """What the logged-in user gets from an address."""
    answer = page.request.get(url)
    assert answer.ok, answer.status
    return json.loads(answer.body())

"""The Orthanc launcher gives a PACS that speaks DIMSE and DICOMweb."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # pyright: ignore[reportAttributeAccessIssue]

from adit.stack.orthanc import OrthancError, OrthancServer
from adit.stack.orthanc_rest import Modality
from adit.stack.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.interop]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    folder = tmp_path_factory.mktemp("orthanc")
    peer = Modality("ADIT_RECEIVER", free_port())
    with OrthancServer("ORTHANC1", folder, modalities={"ADIT_RECEIVER": peer}) as server:
        yield server


def _sample() -> bytes:
    path = get_testdata_file("CT_small.dcm")
    assert isinstance(path, str)
    return Path(path).read_bytes()


def test_it_answers_an_echo(orthanc: OrthancServer):
    entity = AE(ae_title="ADIT")
    entity.add_requested_context(Verification)
    association = entity.associate(orthanc.host, orthanc.dicom_port, ae_title=orthanc.ae_title)
    try:
        assert association.send_c_echo().Status == 0x0000
    finally:
        association.release()


def test_what_is_stored_is_found_over_dicomweb(orthanc: OrthancServer):
    orthanc.request("POST", "/instances", _sample())
    assert orthanc.count_instances() == 1
    with urllib.request.urlopen(f"{orthanc.dicomweb_url}/studies") as answer:
        studies = json.load(answer)
    assert studies[0]["00100020"]["Value"] == ["1CT1"]
    orthanc.clear()
    assert orthanc.count_instances() == 0


def test_it_knows_its_peers(orthanc: OrthancServer):
    orthanc.add_modality("OTHER", Modality("ORTHANC2", 4242))
    modalities = orthanc.request("GET", "/modalities?expand")
    assert modalities["ADIT_RECEIVER"]["AET"] == "ADIT_RECEIVER"
    assert modalities["OTHER"]["Port"] == 4242


def test_stopping_keeps_the_data(tmp_path: Path):
    server = OrthancServer("ORTHANC2", tmp_path)
    with server:
        server.request("POST", "/instances", _sample())
        pid = server.pid
    assert pid is not None and not psutil.pid_exists(pid)
    with server:
        assert server.count_instances() == 1


def test_a_taken_port_is_told(orthanc: OrthancServer, tmp_path: Path):
    server = OrthancServer("ORTHANC2", tmp_path, dicom_port=orthanc.dicom_port)
    with pytest.raises(OrthancError, match="ORTHANC2 did not start"):
        server.start()

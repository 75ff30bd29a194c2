"""What the tests of the DICOM layer share: instances, and real peers on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom import _config

from adit.core.dicom import LocalConfig, ServerConfig
from adit.core.dicom.tests.incoming import TestIncoming
from adit.stack.orthanc import Modality, OrthancServer
from adit.stack.ports import free_port

RECEIVER_AE_TITLE = "TEST_RECEIVER"


@pytest.fixture(scope="session")
def receiver_port() -> int:
    """Where Orthanc sends what it is asked to C-MOVE to us."""
    return free_port()


@pytest.fixture(scope="session")
def orthancs(
    tmp_path_factory: pytest.TempPathFactory, receiver_port: int
) -> Iterator[tuple[OrthancServer, OrthancServer]]:
    """Two Orthancs that know each other and our receiver; shared by all tests of a run."""
    folder = tmp_path_factory.mktemp("orthanc")
    first = OrthancServer("ORTHANC1", folder / "1")
    second = OrthancServer("ORTHANC2", folder / "2")
    first.modalities = {
        "receiver": Modality(RECEIVER_AE_TITLE, receiver_port),
        "second": Modality("ORTHANC2", second.dicom_port),
    }
    with first, second:
        yield first, second


@pytest.fixture
def orthanc(orthancs: tuple[OrthancServer, OrthancServer]) -> OrthancServer:
    """An empty Orthanc."""
    orthancs[0].clear()
    return orthancs[0]


@pytest.fixture
def second_orthanc(orthancs: tuple[OrthancServer, OrthancServer]) -> OrthancServer:
    """Another empty Orthanc."""
    orthancs[1].clear()
    return orthancs[1]


@pytest.fixture
def server(orthanc: OrthancServer) -> ServerConfig:
    """The empty Orthanc with all that it can do."""
    return config_of(orthanc)


def config_of(orthanc: OrthancServer) -> ServerConfig:
    """All that an Orthanc can do."""
    return ServerConfig(
        name=orthanc.ae_title,
        ae_title=orthanc.ae_title,
        host=orthanc.host,
        port=orthanc.dicom_port,
        patient_root_find_support=True,
        patient_root_get_support=True,
        patient_root_move_support=True,
        study_root_find_support=True,
        study_root_get_support=True,
        study_root_move_support=True,
        store_scp_support=True,
        dicomweb_root_url=orthanc.dicomweb_url,
        dicomweb_qido_support=True,
        dicomweb_wado_support=True,
        dicomweb_stow_support=True,
    )


@pytest.fixture
def local() -> LocalConfig:
    """Our side, with short patience."""
    return LocalConfig(receiver_ae_title=RECEIVER_AE_TITLE, progress_timeout=30)


@pytest.fixture
def spill(tmp_path: Path) -> Path:
    """A folder for large instances."""
    folder = tmp_path / "spill"
    folder.mkdir()
    return folder


@pytest.fixture
def incoming(receiver_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestIncoming]:
    """A C-STORE SCP that Orthanc knows; takes every class, the retired ones too."""
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", True)
    inbox = TestIncoming(RECEIVER_AE_TITLE, receiver_port)
    yield inbox
    inbox.close()

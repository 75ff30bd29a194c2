"""The two test PACS of a native system: Orthanc, or the embedded ones where it is absent."""

import sys
from dataclasses import dataclass
from pathlib import Path

from adit.stack import orthanc
from adit.stack.orthanc import OrthancServer
from adit.stack.orthanc_rest import Modality
from adit.stack.ports import LOOPBACK, accepts_connections, free_port
from adit.stack.supervisor import Service

NAMES = ("ORTHANC1", "ORTHANC2")
_DICOM_PORTS = {"ORTHANC1": 7501, "ORTHANC2": 7502}
_HTTP_PORTS = {"ORTHANC1": 6501, "ORTHANC2": 6502}


@dataclass(frozen=True)
class ExampleServer:
    """One test PACS: the service that runs it and where it listens."""

    name: str
    service: Service
    dicom_port: int
    http_url: str = ""
    dicomweb_url: str = ""

    def environment(self) -> dict[str, str]:
        """What `populate_example_data` and `populate_orthancs` need to know of it."""
        return {
            f"{self.name}_HOST": LOOPBACK,
            f"{self.name}_DICOM_PORT": str(self.dicom_port),
            f"{self.name}_DICOMWEB_URL": self.dicomweb_url,
        }


def kind() -> str:
    """Which kind of test PACS this machine has."""
    return "orthanc" if orthanc.is_installed() else "embedded"


def make_servers(folder: Path, root: Path, receiver: Modality) -> list[ExampleServer]:
    """Lay out both test PACS; each knows the other and the receiver as C-MOVE destinations."""
    ports = {name: free_port(_DICOM_PORTS[name]) for name in NAMES}
    make = _orthanc if orthanc.is_installed() else _embedded
    servers = []
    for name in NAMES:
        peers = {other: Modality(other, ports[other]) for other in NAMES if other != name}
        peers[receiver.ae_title] = receiver
        servers.append(make(name, folder / name.lower(), root, ports[name], peers))
    return servers


def _orthanc(
    name: str, folder: Path, root: Path, port: int, peers: dict[str, Modality]
) -> ExampleServer:
    server = OrthancServer(name, folder, port, free_port(_HTTP_PORTS[name]), peers)
    service = Service(
        name=name.lower(),
        command=server.command(),
        ready=server.is_ready,
        env=orthanc.ENVIRONMENT,
        stop_seconds=15,
    )
    return ExampleServer(name, service, port, server.http_url, server.dicomweb_url)


def _embedded(
    name: str, folder: Path, root: Path, port: int, peers: dict[str, Modality]
) -> ExampleServer:
    command = [sys.executable, "-m", "adit.test_pacs", "--ae-title", name, "--port", str(port)]
    command += ["--folder", str(folder)]
    for peer in peers.values():
        command += ["--peer", f"{peer.ae_title}={peer.host}:{peer.port}"]
    service = Service(
        name=name.lower(), command=command, ready=lambda: accepts_connections(port), cwd=root
    )
    return ExampleServer(name, service, port)

"""A real PACS for development and tests: Orthanc with its DICOMweb plugin."""

import json
import shutil
import signal
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adit.stack.orthanc_rest import Modality, OrthancRest
from adit.stack.ports import LOOPBACK, accepts_connections, free_port, wait_until
from adit.stack.processes import spawn, stop_process

_PROGRAMS = ("/usr/sbin/Orthanc", "/usr/bin/Orthanc", "/usr/local/sbin/Orthanc")
_PLUGIN = "libOrthancDicomWeb.so"
_PLUGIN_FOLDERS = (
    "/usr/share/orthanc/plugins",
    "/usr/lib/orthanc",
    "/usr/local/share/orthanc/plugins",
)

# Without TCP_NODELAY DCMTK and its peer wait for each other's delayed acknowledgements.
ENVIRONMENT = {"TCP_NODELAY": "1"}


class OrthancError(Exception):
    """Orthanc is not installed or did not start."""


@cache
def find_program() -> Path | None:
    """The Orthanc program, or None where it is not installed."""
    found = shutil.which("Orthanc")
    candidates = [found] if found else _PROGRAMS
    return next((Path(path) for path in candidates if Path(path).is_file()), None)


@cache
def find_dicomweb_plugin() -> Path | None:
    """The DICOMweb plugin, or None where it is not installed."""
    folders = [*_PLUGIN_FOLDERS, *_folders_of_package("orthanc-dicomweb")]
    return next(
        (file for folder in folders if (file := Path(folder) / _PLUGIN).is_file()),
        None,
    )


def is_installed() -> bool:
    """Whether Orthanc and its DICOMweb plugin are there."""
    return find_program() is not None and find_dicomweb_plugin() is not None


class OrthancServer(OrthancRest):
    """An Orthanc that keeps its data in a folder of its own.

    It takes every association and answers HTTP requests from this machine only, without a log-in:
    for example data only (Orthanc cannot bind its DICOM server to one interface).

    Args:
        ae_title: its own AE title.
        folder: gets the configuration, the data and the log.
        dicom_port, http_port: a free port each if not given.
        modalities: peers by alias; `add_modality` adds more to a running server.
        options: entries of Orthanc's configuration that differ from the ones made here.
    """

    def __init__(
        self,
        ae_title: str,
        folder: Path,
        dicom_port: int | None = None,
        http_port: int | None = None,
        modalities: Mapping[str, Modality] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.ae_title = ae_title
        self.folder = folder.absolute()
        self.host = LOOPBACK
        self.dicom_port = dicom_port or free_port()
        self.http_port = http_port or free_port()
        super().__init__(f"http://{self.host}:{self.http_port}")
        self.modalities = dict(modalities or {})
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "orthanc.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def command(self) -> list[str]:
        """Write the configuration; return the command line that starts the server with it.

        Raises:
            OrthancError: Orthanc or its DICOMweb plugin is not installed.
        """
        program, plugin = find_program(), find_dicomweb_plugin()
        if program is None or plugin is None:
            raise OrthancError("Orthanc is missing: apt-get install orthanc orthanc-dicomweb")
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._configuration(plugin), indent=2))
        return [str(program), str(config)]

    def is_ready(self) -> bool:
        """Whether both servers, HTTP and DICOM, answer."""
        try:
            self.request("GET", "/system", timeout=2)
        except OSError:
            return False
        return accepts_connections(self.dicom_port)

    def start(self) -> Self:
        """Start and wait until the server is ready."""
        command = self.command()
        self.log.unlink(missing_ok=True)
        process = self._process = spawn(command, log=self.log, env=ENVIRONMENT)
        wait_until(lambda: process.poll() is not None or self.is_ready(), self.ae_title, 60)
        if process.poll() is not None:
            self._process = None
            raise OrthancError(
                f"{self.ae_title} did not start:\n{self.log.read_text(errors='replace')[-2000:]}"
            )
        return self

    def stop(self) -> None:
        if self._process is not None:
            stop_process(self._process, timeout=20)
            self._process = None

    def kill(self) -> None:
        """End the server without giving it a chance to say good-bye."""
        if self._process is not None:
            stop_process(self._process, signal.SIGKILL)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _configuration(self, plugin: Path) -> dict[str, Any]:
        storage = str(self.folder / "storage")
        return {
            "Name": self.ae_title,
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "StorageCompression": False,
            "SyncStorageArea": False,
            "Plugins": [str(plugin)],
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": False,
            "DicomThreadsCount": 16,
            "MaximumPduLength": 131072,
            "DicomScuTimeout": 30,
            "DicomScpTimeout": 60,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "UnknownSopClassAccepted": True,
            # The encoding of C-FIND answers; any other could not carry every name.
            "DefaultEncoding": "Utf8",
            "DicomModalities": {
                alias: modality.options() for alias, modality in self.modalities.items()
            },
            "SaveJobs": False,
            "StableAge": 1,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False, "Ssl": False},
            **self._options,
        }


def _folders_of_package(package: str) -> list[Path]:
    """The folders of a Debian package's files; none where dpkg does not know it."""
    dpkg = shutil.which("dpkg")
    if dpkg is None:
        return []
    result = subprocess.run([dpkg, "-L", package], capture_output=True, text=True)
    return [Path(line).parent for line in result.stdout.splitlines() if line.endswith(".so")]

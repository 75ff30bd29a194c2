"""DCMTK's programs as peers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from adit.stack.ports import accepts_connections, wait_until

# pynetdicom installs programs of the same names beside the interpreter.
_OWN = Path(sys.executable).parent
_SEARCH_PATH = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != _OWN)
# Without it DCMTK and its peer wait for each other's delayed acknowledgements.
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


def find_dcmtk(name: str) -> str:
    """The path of a program of DCMTK."""
    program = shutil.which(name, path=_SEARCH_PATH)
    assert program, "DCMTK is missing: apt-get install dcmtk"
    return program


class DcmtkServers:
    """Starts DCMTK's servers and ends them together."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: object, port: int) -> None:
        """Starts a server and returns when it listens on `port`."""
        command = [find_dcmtk(name), *map(str, arguments)]
        self._processes.append(subprocess.Popen(command, env=ENVIRONMENT))
        wait_until(lambda: accepts_connections(port), name)

    def close(self) -> None:
        """Ends them."""
        for process in self._processes:
            process.terminate()
            process.wait(20)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Key and certificate of this machine, which is its own authority."""
    key, pem = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", pem],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, pem

"""`cli demo` comes up beside others, survives a kill, and leaves nothing behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from adit.stack.example_data import missing_studies, peer
from adit.stack.ports import LOOPBACK, wait_until
from adit.stack.processes import MARK
from adit.stack.supervisor import mark_of
from adit.stack.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.processes, pytest.mark.patience]

ROOT = Path(__file__).resolve().parents[4]
_PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from adit.stack import orthanc
from adit.stack.demo import Demo, Options
if "without-orthanc" in sys.argv:
    orthanc.is_installed = lambda: False
options = Options(name=sys.argv[2], port=int(sys.argv[3]), browser=False)
Demo(Path(sys.argv[1]), options, Console()).run()
"""


def _output(workspace: Workspace) -> Path:
    return ROOT / ".adit" / f"{workspace.name}.log"


class Started:
    """A demo in a process of its own, and what it says."""

    def __init__(self, workspace: Workspace, port: int, *more: str) -> None:
        self.workspace = workspace
        self.log = _output(workspace)
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(ROOT), workspace.name, str(port), *more],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(
            lambda: workspace.read_state() is not None or self.process.poll() is not None,
            "the demo",
            120,
        )
        assert self.process.poll() is None, self.log.read_text()

    @property
    def state(self) -> dict:
        return json.loads(self.workspace.state_file.read_text())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def _services(workspace: Workspace) -> list[psutil.Process]:
    """The processes of the demo, whoever started them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark_of(workspace.logs):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    workspace = Workspace(ROOT, f"test-demo-{os.getpid()}")
    yield workspace
    workspace.remove()
    shutil.rmtree(workspace.logs, ignore_errors=True)
    _output(workspace).unlink(missing_ok=True)


def test_a_taken_port_is_replaced_and_said(workspace: Workspace):
    with socket.create_server((LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        demo = Started(workspace, taken)
        try:
            url = demo.state["web_url"]
            assert f":{taken}/" not in url
            assert f"Port {taken} is taken; the web server uses" in demo.log.read_text()
            assert httpx.get(url, follow_redirects=True).status_code == 200
        finally:
            assert demo.stop() == 0
    assert _services(workspace) == []
    assert not workspace.state_file.exists()


def test_a_killed_demo_takes_all_with_it_and_starts_again_with_its_data(workspace: Workspace):
    demo = Started(workspace, 8000)
    secrets = workspace.secrets()
    demo.process.kill()
    demo.process.wait()
    # At once: what was killed is still about to end.
    again = Started(workspace, 8000)
    try:
        assert workspace.secrets() == secrets
        assert httpx.get(again.state["web_url"], follow_redirects=True).status_code == 200
        services = {process.pid for process in _services(workspace)}
        children = {child.pid for child in psutil.Process(again.process.pid).children(True)}
        assert services <= children
    finally:
        assert again.stop() == 0
    assert _services(workspace) == []


def test_a_second_demo_on_the_same_data_is_refused(workspace: Workspace):
    demo = Started(workspace, 8000)
    try:
        second = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(ROOT), workspace.name, "8000"],
            capture_output=True,
            text=True,
        )
        assert second.returncode != 0
        assert "in use by another process" in second.stderr
        assert httpx.get(demo.state["web_url"], follow_redirects=True).status_code == 200
    finally:
        assert demo.stop() == 0


def test_without_orthanc_two_embedded_servers_hold_the_example_studies(workspace: Workspace):
    workspace.remove()
    demo = Started(workspace, 8000, "without-orthanc")
    try:
        assert demo.state["pacs"] == "embedded"
        assert "two embedded servers" in demo.log.read_text()
        server = demo.state["servers"]["ORTHANC1"]
        assert server["dicomweb_url"] == ""
        assert missing_studies(peer("ORTHANC1", server["host"], server["dicom_port"])) == set()
    finally:
        assert demo.stop() == 0

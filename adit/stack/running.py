"""The whole system as a process of its own, for tests that use it as people do."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from adit.stack.orthanc_rest import OrthancRest
from adit.stack.ports import wait_until
from adit.stack.workspace import Workspace

_PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from adit.stack.demo import Demo, Options
Demo(Path(sys.argv[1]), Options(name=sys.argv[2], reset=True, browser=False), Console()).run()
"""


class SystemFailed(Exception):
    """The system did not come up; the message holds the end of its output."""


@dataclass
class RunningSystem:
    """`cli demo` with data of its own, from an empty start.

    Args:
        root: the project's folder.
        name: of its data folder below `.adit/`.
    """

    root: Path
    name: str

    def __enter__(self) -> Self:
        workspace = Workspace(self.root, self.name)
        self._log = self.root / ".adit" / f"{self.name}.log"
        self._log.parent.mkdir(exist_ok=True)
        workspace.state_file.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(self.root), self.name],
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(
                lambda: workspace.state_file.exists() or self._process.poll() is not None,
                "the system",
                120,
            )
        except BaseException:  # an interrupt as well: it has a session of its own, and would stay
            self._stop()
            raise
        if self._process.poll() is not None:
            raise SystemFailed(self._log.read_text(errors="replace")[-5000:])
        self.state: dict[str, Any] = json.loads(workspace.state_file.read_text())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def url(self) -> str:
        """The address of the log-in page, without a slash at its end."""
        return str(self.state["web_url"]).rstrip("/")

    @property
    def database_url(self) -> str:
        return str(self.state["database_url"])

    def orthanc(self, name: str) -> OrthancRest:
        """One of the two test PACS, seen by its own REST API."""
        return OrthancRest(self.state["servers"][name]["dicomweb_url"].removesuffix("/dicom-web"))

    def processes(self, command: str) -> list[psutil.Process]:
        """The system's processes that run `manage.py <command>`."""
        found = []
        for process in psutil.Process(self._process.pid).children(recursive=True):
            # One that has ended meanwhile has no command line any more.
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[1:3] == ["manage.py", command]:
                    found.append(process)
        return found

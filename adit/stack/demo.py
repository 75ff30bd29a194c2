"""`cli demo` and `cli dev`: the whole system, natively, on a bare machine."""

import os
import signal
import sys
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from rich.console import Console

from adit.stack import example_servers
from adit.stack.console import StatusBoard, address_table
from adit.stack.example_servers import ExampleServer
from adit.stack.orthanc_rest import Modality
from adit.stack.ports import LOOPBACK, accepts_connections, free_port
from adit.stack.postgres import EmbeddedPostgres
from adit.stack.processes import bytecode_cache, end_marked
from adit.stack.supervisor import Service, Supervisor, mark_of
from adit.stack.workspace import Workspace

RECEIVER_AE_TITLE = "ADIT_RECEIVER"
LOGINS = {"admin": "admin", "researcher": "researcher", "physician": "physician"}
_WEB_PORT, _RECEIVER_PORT, _TRANSMIT_PORT = 8000, 11112, 14638
_PACS_KINDS = {
    "orthanc": "Test PACS: two Orthanc servers (DIMSE and DICOMweb).",
    "embedded": "Test PACS: two embedded servers (DIMSE only), as Orthanc is not installed.",
}


@dataclass(frozen=True)
class Options:
    """How to run the system.

    Attributes:
        name: `demo` or `dev`; each has data of its own.
        reload: restart a process when its code changes, and show debug pages.
    """

    name: str = "demo"
    port: int = _WEB_PORT
    reset: bool = False
    browser: bool = True
    reload: bool = False


@dataclass
class _Ports:
    web: int
    receiver: int
    transmit: int
    replaced: list[str] = field(default_factory=list)


class Demo:
    """One start of the whole system: `run` returns when it has stopped.

    Args:
        root: the project's folder.
        options: how to run it.
        console: where the state is shown.
    """

    def __init__(self, root: Path, options: Options, console: Console) -> None:
        self._root = root
        self._options = options
        self._console = console
        self._workspace = Workspace(root, options.name)
        self._postgres = EmbeddedPostgres(self._workspace.folder / "postgres")

    def run(self) -> None:
        """Start everything, tell where it is, keep it running until Ctrl-C, stop everything.

        Raises:
            PostgresError: it runs already, or the database cannot be made.
            ServiceFailed: a part did not come up.
        """
        workspace = self._workspace
        self._postgres.claim()
        end_marked(mark_of(workspace.logs), patience=15)
        if self._options.reset:
            self._postgres.remove()
            workspace.remove()
        workspace.prepare()
        try:
            self._postgres.prepare()
            self._supervise()
        finally:
            workspace.state_file.unlink(missing_ok=True)
            self._postgres.release()

    def _supervise(self) -> None:
        ports = self._choose_ports()
        servers = example_servers.make_servers(
            self._workspace.folder, self._root, Modality(RECEIVER_AE_TITLE, ports.receiver)
        )
        environment = self._environment(ports, servers)
        services = [*self._base(servers), *self._steps(environment), *self._app(ports, environment)]
        self._console.print(_PACS_KINDS[example_servers.kind()])
        for line in ports.replaced:
            self._console.print(line)
        board = StatusBoard(self._console)
        board.expect([service.name for service in services])
        supervisor = Supervisor(services, self._workspace.logs, board.update)
        with board:
            supervisor.run(lambda: self._announce(board, ports, servers, environment))

    def _choose_ports(self) -> _Ports:
        replaced: list[str] = []

        def choose(what: str, preferred: int) -> int:
            port = free_port(preferred)
            if port != preferred:
                replaced.append(f"Port {preferred} is taken; {what} uses {port}.")
            return port

        return _Ports(
            choose("the web server", self._options.port),
            choose("the receiver", _RECEIVER_PORT),
            choose("the receiver's file server", _TRANSMIT_PORT),
            replaced,
        )

    def _environment(self, ports: _Ports, servers: list[ExampleServer]) -> dict[str, str]:
        folder = self._workspace.folder
        values = {
            **bytecode_cache(self._root),
            **self._workspace.secrets(),
            "ENVIRONMENT": "development",
            "DJANGO_SETTINGS_MODULE": "adit.settings",
            "DJANGO_DEBUG": str(self._options.reload).lower(),
            "DATABASE_URL": self._postgres.url,
            "SITE_DOMAIN": f"localhost:{ports.web}",
            "RECEIVER_AE_TITLE": RECEIVER_AE_TITLE,
            "STORE_SCP_HOST": LOOPBACK,
            "STORE_SCP_PORT": str(ports.receiver),
            "FILE_TRANSMIT_HOST": LOOPBACK,
            "FILE_TRANSMIT_PORT": str(ports.transmit),
            "SPOOL_DIR": str(folder / "spool"),
            "WORK_DIR": str(folder / "work"),
            "MOUNT_DIR": str(folder / "folders"),
            "PYTHONUNBUFFERED": "1",
        }
        for server in servers:
            values.update(server.environment())
        # An empty NAME_FILE keeps the one in a developer's .env from contradicting NAME.
        return {**{f"{name}_FILE": "" for name in values}, **values}

    def _base(self, servers: list[ExampleServer]) -> list[Service]:
        postgres = Service(
            name="postgres",
            command=self._postgres.command(),
            ready=self._postgres.is_ready,
            account=self._postgres.account,
            stop_signal=signal.SIGINT,
            stop_seconds=20,
        )
        return [postgres, *(server.service for server in servers)]

    def _steps(self, environment: dict[str, str]) -> list[Service]:
        """What runs once, before or beside the start of the application."""

        def step(name: str, command: str, *needs: str) -> Service:
            return Service(
                name=name,
                command=[sys.executable, "manage.py", command],
                needs=needs,
                once=True,
                env=environment,
                cwd=self._root,
            )

        return [
            step("migrations", "migrate", "postgres"),
            step("example users", "populate_example_data", "migrations"),
            step("example studies", "populate_orthancs", "orthanc1"),
        ]

    def _app(self, ports: _Ports, environment: dict[str, str]) -> list[Service]:
        def service(
            name: str, command: list[str], ready: Callable[[], bool], stop_seconds: float = 10
        ) -> Service:
            return Service(
                name=name,
                command=self._command(name, command),
                ready=ready,
                needs=("migrations",),
                env=environment,
                cwd=self._root,
                stop_seconds=stop_seconds,
            )

        manage = [sys.executable, "manage.py"]
        web = [sys.executable, "-m", "daphne", "-b", LOOPBACK, "-p", str(ports.web)]
        return [
            service("web", [*web, "adit.asgi:application"], lambda: _answers(ports.web)),
            # The workers give running tasks ten seconds to end.
            service("default_worker", [*manage, "default_worker"], self._workers_registered(1), 15),
            service("dicom_worker", [*manage, "dicom_worker"], self._workers_registered(2), 15),
            service(
                "receiver",
                [*manage, "receiver"],
                lambda: all(map(accepts_connections, (ports.receiver, ports.transmit))),
            ),
        ]

    def _command(self, name: str, command: list[str]) -> list[str]:
        """The command as it is, or, for developing, one that runs it anew after each change."""
        if not self._options.reload:
            return command
        watch = [sys.executable, "-m", "watchfiles", "--filter", "python"]
        return [*watch, " ".join(command), "adit"]

    def _workers_registered(self, count: int) -> Callable[[], bool]:
        """A probe for so many workers that began to take jobs (each registers itself then)."""
        query = (
            "SELECT count(*) FROM procrastinate_workers "
            "WHERE last_heartbeat > pg_postmaster_start_time()"
        )

        def probe() -> bool:
            try:
                with psycopg.connect(self._postgres.url, connect_timeout=2) as connection:
                    row = connection.execute(query).fetchone()
            except psycopg.Error:
                return False
            return row is not None and row[0] >= count

        return probe

    def _announce(
        self,
        board: StatusBoard,
        ports: _Ports,
        servers: list[ExampleServer],
        environment: dict[str, str],
    ) -> None:
        url = f"http://localhost:{ports.web}/"
        addresses = {"ADIT": url, "Receiver": f"{RECEIVER_AE_TITLE}@{LOOPBACK}:{ports.receiver}"}
        for server in servers:
            address = f"{server.name}@{LOOPBACK}:{server.dicom_port}"
            addresses[server.name] = "  ".join(filter(None, (address, server.http_url)))
        addresses["Logs"] = str(self._workspace.logs)
        board.show_below(address_table(addresses, LOGINS))
        self._workspace.write_state(
            {
                "pid": os.getpid(),
                "web_url": url,
                "database_url": self._postgres.url,
                "pacs": example_servers.kind(),
                "servers": {
                    server.name: {
                        "host": LOOPBACK,
                        "dicom_port": server.dicom_port,
                        "dicomweb_url": server.dicomweb_url,
                    }
                    for server in servers
                },
                "receiver_port": ports.receiver,
                "logins": LOGINS,
                "logs": str(self._workspace.logs),
                "environment": environment,
            }
        )
        if self._options.browser and _has_display():
            webbrowser.open(url)


def running_environment(root: Path) -> tuple[str, dict[str, str]]:
    """The name of the system that runs natively, and the environment that a process needs to
    belong to it; empty if none runs."""
    for name in ("dev", "demo"):
        state = Workspace(root, name).read_state()
        if state is not None:
            return name, state["environment"]
    return "", {}


def _answers(port: int) -> bool:
    """Whether a page comes, without an error of the server."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/", timeout=10) as answer:
            return answer.status < 500
    except urllib.error.HTTPError as err:
        return err.code < 500
    except OSError:
        return False


def _has_display() -> bool:
    return sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )

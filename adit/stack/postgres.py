"""A PostgreSQL server out of a Python wheel, with a data folder of its own."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg

from adit.stack.ports import LOOPBACK, free_port, wait_until
from adit.stack.postgres_cluster import (
    DATABASE,
    ROLE,
    PostgresError,
    create_cluster,
    password_file,
    program,
)
from adit.stack.processes import Account, spawn, stop_process, unprivileged_account

# Between the choice of a port and the server's start somebody else may take it.
_ATTEMPTS = 3
_PORT_TAKEN = "could not bind"

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
}
# A crash of the machine may cost the database; a crash of the server does not.
_THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "2GB",
}


class EmbeddedPostgres:
    """A PostgreSQL server for one workspace.

    Listens on the loopback interface only, on a free port (which may differ from start to start),
    and asks for a generated password that is kept beside the data. The role `adit` owns the
    database `adit` and may create others (the test database), but is no superuser.

    Runs as the current user. PostgreSQL refuses to run as root, so started by root it runs as
    `nobody`, and the data belong to `nobody`.

    Args:
        folder: gets the data, the password, the log and a lock; made if missing.
        durable: whether committed data survive a crash of the machine. Without it the server
            does not wait for the disk, which is what a test database wants.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.durable = durable
        self.port = 0
        self._data = self.folder / "data"
        self._log = self.folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def url(self) -> str:
        """The address for DATABASE_URL."""
        password = password_file(self.folder).read_text().strip()
        return f"postgresql://{ROLE}:{password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def prepare(self) -> None:
        """Make the folder ready for a start: claim it, create the cluster, choose a port.

        Raises:
            PostgresError: another process uses the folder, or the cluster cannot be made.
        """
        self.claim()
        if not self._data.is_dir():
            create_cluster(self.folder, self.account, durable=self.durable)
        self.port = free_port()

    def claim(self) -> None:
        """Make the folder this process's own, and end a server left over in it.

        Raises:
            PostgresError: another process uses the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._end_leftover()

    def command(self) -> list[str]:
        """The command line of the server (see `account`)."""
        settings = {**_SETTINGS, **({} if self.durable else _THROWAWAY_SETTINGS)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [program("postgres"), "-D", str(self._data), "-p", str(self.port), *options]

    @property
    def account(self) -> Account | None:
        """The account to run the server as: the current one unless that is root."""
        if os.geteuid() != 0:
            return None
        return unprivileged_account(self.folder, Path(program("postgres")))

    def is_ready(self) -> bool:
        """Whether the server answers."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> Self:
        """Prepare, start and wait until the server answers."""
        for _ in range(_ATTEMPTS):
            self.prepare()
            self._log.unlink(missing_ok=True)
            process = self._process = spawn(
                self.command(), log=self._log, account=self.account, death_signal=signal.SIGINT
            )
            wait_until(_ended_or(process, self.is_ready), "PostgreSQL", timeout=60)
            if process.poll() is None:
                return self
            if _PORT_TAKEN not in self._log.read_text():
                break
        self.stop()
        raise PostgresError(f"PostgreSQL did not start:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop the server at once, but cleanly: open connections are cut, data are written."""
        if self._process is not None:
            stop_process(self._process, signal.SIGINT, timeout=20)
            self._process = None
        self.release()

    def release(self) -> None:
        """Give the folder free for others."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            os.close(lock)
            raise PostgresError(f"{self.folder} is in use by another process.") from err
        self._lock = lock

    def _end_leftover(self) -> None:
        """End a server that lost its owner (who held the lock), and wait for one that is about
        to end. A process that merely got the number in a stale pid file is left alone."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            server = psutil.Process(pid)
            if server.name() != "postgres" or str(self._data) not in server.cmdline():
                return
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            self._end_orphans()
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            try:
                server.send_signal(number)
                server.wait(15)
                break
            except psutil.NoSuchProcess:
                break
            except psutil.TimeoutExpired:
                continue
        self._end_orphans()

    def _end_orphans(self) -> None:
        """Wait for the backends of a killed server, which notice its death by themselves and
        hold its shared memory until then."""
        orphans = [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self._data)
        ]
        _, alive = psutil.wait_procs(orphans, timeout=5)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=5)


def _ended_or(
    process: subprocess.Popen[bytes], condition: Callable[[], bool]
) -> Callable[[], bool]:
    return lambda: process.poll() is not None or condition()

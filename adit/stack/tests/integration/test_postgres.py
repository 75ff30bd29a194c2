"""The embedded PostgreSQL starts, stops, is killed and comes back."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest

from adit.stack.ports import wait_until
from adit.stack.postgres import EmbeddedPostgres, PostgresError

pytestmark = [pytest.mark.integration, pytest.mark.processes]

_OWNER = """
import sys, time
from pathlib import Path
from adit.stack.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1])).start()
print(server.pid, server.url, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


def _execute(url: str, statement: LiteralString):
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_is_postgresql_18_with_an_ordinary_role(folder: Path):
    with EmbeddedPostgres(folder, durable=False) as server:
        version = _execute(server.url, "SELECT current_setting('server_version_num')::int / 10000")
        assert version == (18,)
        role = _execute(
            server.url,
            "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user",
        )
        assert role == (False, True)


def test_data_survive_a_stop_and_a_start(folder: Path):
    server = EmbeddedPostgres(folder)
    with server:
        _execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with server:
        assert _execute(server.url, "SELECT answer FROM kept") == (42,)


def test_stopping_ends_the_server_though_clients_are_connected(folder: Path):
    with EmbeddedPostgres(folder, durable=False) as server:
        client = psycopg.connect(server.url)
        pid = server.pid
    assert pid is not None and _is_gone(pid)
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")


def test_a_wrong_password_is_refused(folder: Path):
    with EmbeddedPostgres(folder, durable=False) as server:
        password = (folder / "password").read_text()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.url.replace(password, "wrong"))
        assert (folder / "password").stat().st_mode & 0o077 == 0


def test_a_folder_has_one_server_at_a_time(folder: Path):
    with (
        EmbeddedPostgres(folder, durable=False),
        pytest.raises(PostgresError, match="in use by another process"),
    ):
        EmbeddedPostgres(folder, durable=False).start()


def test_it_recovers_from_a_killed_server(folder: Path):
    server = EmbeddedPostgres(folder)
    with server:
        _execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    assert (folder / "data" / "postmaster.pid").exists()
    with server:
        assert _execute(server.url, "SELECT answer FROM kept") == (42,)


def test_it_ends_with_its_owner_and_starts_again(folder: Path):
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid, url = owner.stdout.readline().split()
    _execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    owner.kill()
    owner.wait()
    owner.stdout.close()
    # No wait in between: a start right after the kill copes with a server that is just ending.
    with EmbeddedPostgres(folder) as server:
        assert server.pid != int(pid)
        assert _execute(server.url, "SELECT answer FROM kept") == (42,)
    wait_until(lambda: _is_gone(int(pid)), "the end of the first server")


def test_a_stale_pid_file_that_names_a_stranger_does_no_harm(folder: Path):
    server = EmbeddedPostgres(folder, durable=False)
    with server:
        pass
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        lines = [str(stranger.pid), str(folder / "data"), "1", "5432", "", "127.0.0.1", "", "ready"]
        (folder / "data" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        with server:
            assert _execute(server.url, "SELECT 1") == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_half_made_clusters_are_made_anew(folder: Path):
    (folder / "data.new").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder, durable=False) as server:
        assert _execute(server.url, "SELECT 1") == (1,)


def test_it_works_below_a_folder_that_others_may_not_enter(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "postgres", durable=False) as server:
        assert _execute(server.url, "SELECT 1") == (1,)
    assert closed.stat().st_mode & 0o077 == 0


def test_processes_notify_each_other(folder: Path):
    with EmbeddedPostgres(folder, durable=False) as server:
        process = multiprocessing.get_context("spawn").Process(target=_notify, args=(server.url,))
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("LISTEN greetings")
            process.start()
            notification = next(connection.notifies(timeout=30))
        process.join()
    assert notification.payload == "hello"


def _notify(url: str) -> None:
    _execute(url, "NOTIFY greetings, 'hello'")


def test_a_throwaway_server_starts_within_seconds(folder: Path):
    start = time.monotonic()
    with EmbeddedPostgres(folder, durable=False):
        assert time.monotonic() - start < 20

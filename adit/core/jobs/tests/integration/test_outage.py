"""The database is restarted while workers work."""

import os
import signal
import subprocess
import sys
from collections import Counter

import psycopg
import pytest

from adit.core.jobs.tests.integration.scripted import ROOT, wait_for
from adit.stack.postgres import EmbeddedPostgres
from adit.stack.processes import spawn, stop_process

pytestmark = pytest.mark.integration

TASKS = 30
_STATES = """
SELECT state, count(*), max(crashes), max(attempts) FROM core_dicomtask GROUP BY state
"""


def ask(url, statement):
    """The rows, or none while the database is away."""
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute(statement).fetchall()
    except psycopg.OperationalError:
        return []


@pytest.fixture
def database(tmp_path_factory):
    # What it has committed must survive its being killed.
    with EmbeddedPostgres(tmp_path_factory.mktemp("outage"), durable=True) as postgres:
        yield postgres


@pytest.fixture
def restart(database):
    """Stop the server, or kill it, and start it again at the same address."""
    again = []

    def restart(how):
        os.kill(database.pid, how)
        wait_for(lambda: not database.is_ready(), 30)
        database.stop()
        database.claim()
        process = spawn(
            database.command(), log=database.folder / "again.log", account=database.account
        )
        again.append(process)
        wait_for(database.is_ready, 60)

    yield restart
    for process in again:
        stop_process(process, signal.SIGINT, timeout=20)


@pytest.fixture
def run(database, restart, tmp_path):
    """Start a program of ours on the database; what still runs ends before the database does."""
    started = []

    def start(*command, **options):
        environment = {
            **os.environ,
            "DATABASE_URL": database.url,
            "DJANGO_SETTINGS_MODULE": "adit.settings.test_jobs",
            "WORK_DIR": str(tmp_path / "work"),
            "TASK_LEASE_SECONDS": "10",
        }
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        process.wait(60)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_workers_outlive_a_restart_of_the_database(database, run, restart, how):
    with run(
        "-m",
        "adit.core.jobs.tests.integration.outage",
        *["sleep 0.4"] * TASKS,
        stdout=subprocess.PIPE,
    ) as filling:
        filling.communicate(timeout=120)
    workers = [run("manage.py", "dicom_worker", "--concurrency", "2") for _ in range(2)]

    def succeeded():
        return Counter({row[0]: row[1] for row in ask(database.url, _STATES)})["SUCCESS"]

    wait_for(lambda: succeeded() >= 3, 120)
    restart(how)
    before = wait_for(succeeded)
    # Work goes on within a minute, with the same processes.
    wait_for(lambda: succeeded() > before, 60)
    wait_for(lambda: succeeded() == TASKS, 120)
    assert all(worker.poll() is None for worker in workers)
    ((state, message),) = ask(database.url, "SELECT state, message FROM core_dicomjob")
    assert (state, message) == ("SUCCESS", f"{TASKS} of {TASKS} succeeded")
    # An outage is no fault of a task: it counts neither as a crash nor as an attempt.
    ((_, _, crashes, attempts),) = ask(database.url, _STATES)
    assert (crashes, attempts) == (0, 1)

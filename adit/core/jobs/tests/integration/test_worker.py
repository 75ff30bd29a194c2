"""Real worker processes, ended the hard way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection

from adit.core.jobs.actions import cancel_job
from adit.core.models import DicomTask, TaskEvent
from adit.core.transfer.tests.integration.conftest import *  # noqa: F403

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

ROOT = Path(__file__).resolve().parents[5]


@pytest.fixture
def slow_source(double_source, pacs):
    """The study takes some seconds from this source."""
    pacs.faults.delay = 0.05
    return double_source


@pytest.fixture
def start_worker(tmp_path):
    """Start a `dicom_worker` on the test database; all are ended with the test."""
    started = []

    def start(lease_seconds=5):
        parameters = connection.get_connection_params()
        url = (
            f"postgresql://{parameters['user']}:{parameters['password']}"
            f"@{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
        )
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "adit.settings.test",
            "WORK_DIR": str(settings.WORK_DIR),
            "TASK_LEASE_SECONDS": str(lease_seconds),
            "TASK_RETRY_WAITS": "0",
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "dicom_worker"], cwd=ROOT, env=environment
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(autouse=True)
def work_dir(settings, tmp_path):
    settings.WORK_DIR = tmp_path / "work"


def wait_for(condition, seconds=180.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} seconds")


def state_of(task):
    return DicomTask.objects.values_list("state", flat=True).get(pk=task.pk)


def halfway(task):
    done = DicomTask.objects.values_list("instances_done", flat=True).get(pk=task.pk)
    return 0 < done < 35


def ended(task):
    return state_of(task) in DicomTask.ENDED


def test_a_worker_takes_a_task_and_brings_it_to_its_end(
    double_source, destination, make_task, start_worker, holdings
):
    start_worker()
    task = make_task(destination, source=double_source)
    wait_for(lambda: ended(task))
    task.refresh_from_db()
    assert (task.state, task.message) == (
        "SUCCESS",
        "40 of 40 instances confirmed at ORTHANC2.",
    )
    assert len({ds.SOPInstanceUID for ds in holdings()}) == 40


def test_a_job_outlives_the_death_of_its_worker(
    slow_source, destination, make_task, start_worker, orthancs
):
    orthancs[1].clear()
    task = make_task(destination, source=slow_source)
    first = start_worker()
    wait_for(lambda: halfway(task))
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    assert state_of(task) == "IN_PROGRESS"
    start_worker()
    wait_for(lambda: ended(task))
    task.refresh_from_db()
    assert (task.state, task.message) == (
        "SUCCESS",
        "40 of 40 instances confirmed at ORTHANC2.",
    )
    assert orthancs[1].count_instances() == 40
    assert TaskEvent.objects.filter(task=task, text__contains="Its worker broke off").exists()
    assert not [child for child in children if child.is_running()]
    wait_for(lambda: not list(settings.WORK_DIR.iterdir()))


def test_a_task_whose_child_dies_starts_anew(slow_source, destination, make_task, start_worker):
    task = make_task(destination, source=slow_source)
    worker = start_worker()
    wait_for(lambda: halfway(task))
    for process in psutil.Process(worker.pid).children(recursive=True):
        # The run is a child of the fork server; the fork server itself is spared.
        if process.ppid() != worker.pid:
            process.kill()
    wait_for(lambda: ended(task))
    task.refresh_from_db()
    assert task.state == "SUCCESS"
    assert task.crashes >= 1


def test_cancel_stops_a_running_task_within_seconds(
    slow_source, destination, make_task, start_worker
):
    task = make_task(destination, source=slow_source)
    start_worker()
    wait_for(lambda: halfway(task))
    cancel_job(task.job.owner, task.job_id)
    wait_for(lambda: ended(task), 10)
    task.refresh_from_db()
    assert task.state == "CANCELED"
    assert task.job.__class__.objects.get(pk=task.job_id).state == "CANCELED"


def test_a_worker_that_is_told_to_stop_lets_its_task_end(
    slow_source, destination, make_task, start_worker
):
    task = make_task(destination, source=slow_source)
    worker = start_worker()
    wait_for(lambda: halfway(task))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert state_of(task) == "SUCCESS"


def test_a_worker_whose_grace_is_over_hands_its_task_back(
    slow_source, pacs, destination, make_task, start_worker
):
    task = make_task(destination, source=slow_source)
    worker = start_worker()
    wait_for(lambda: halfway(task))
    pacs.faults.delay = 5.0
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    task.refresh_from_db()
    assert (task.state, task.attempts) == ("PENDING", 0)


def test_two_workers_never_share_a_task(double_source, destination, make_task, start_worker):
    task = make_task(destination, source=double_source)
    # Longer than a loaded machine may keep a worker from its heartbeat.
    start_worker(lease_seconds=60)
    start_worker(lease_seconds=60)
    wait_for(lambda: ended(task))
    starts = TaskEvent.objects.filter(task=task, text__startswith="Started on").count()
    assert (state_of(task), starts) == ("SUCCESS", 1)

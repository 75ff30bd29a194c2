"""Jobs of scripted tasks, and the workers that run them, for tests."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.core.jobs.actions import create_job
from adit.core.models import DicomJob, DicomNode, DicomTask
from adit.test_jobs.kind import SCRIPTED

ROOT = Path(__file__).resolve().parents[5]


def scripted_job(owner, source, scripts, kind=SCRIPTED, **changes):
    """A job with one task for each of the scripts."""
    node = DicomNode.objects.get(pk=source.pk)
    verified = changes.pop("verified", True)
    tasks = [DicomTask(source=node, protocol=script) for script in scripts]
    job = create_job(owner, kind, DicomJob(**changes), tasks, verified=verified)
    job.refresh_from_db()
    return job


def delete_queue_rows(**criteria) -> None:
    """Delete rows of the queue, which the models of Procrastinate refuse to do."""
    rows = ProcrastinateJob.objects.filter(**criteria).values_list("pk", flat=True)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", [list(rows)])


def database_url() -> str:
    """The test database, for other processes."""
    parameters = connection.get_connection_params()
    return (
        f"postgresql://{parameters['user']}:{parameters['password']}"
        f"@{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    )


class Workers:
    """Real `dicom_worker` processes on the test database."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen] = []

    def start(self, concurrency: int = 1, **environment: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "dicom_worker", "--concurrency", str(concurrency)],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "DJANGO_SETTINGS_MODULE": "adit.settings.test_jobs",
                "WORK_DIR": str(settings.WORK_DIR),
                "TASK_LEASE_SECONDS": "5",
                "TASK_RETRY_WAITS": "0",
                **environment,
            },
        )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(condition, seconds=180.0):
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} seconds")


def lapse(**criteria) -> None:
    """Let the leases of running tasks lapse, as if their worker were gone."""
    wait_until_leases_count()
    past = timezone.now() - timedelta(seconds=1)
    DicomTask.objects.filter(lease__isnull=False, **criteria).update(lease_until=past)


def wait_until_leases_count() -> None:
    """Right after its start the sweep believes no lease to have lapsed (`sweep.take_lapsed`)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_sleep(greatest(0, %s - extract(epoch FROM"
            " clock_timestamp() - pg_postmaster_start_time())::float + 0.1))",
            [settings.TASK_LEASE_SECONDS],
        )


def state_of(task) -> str:
    return DicomTask.objects.values_list("state", flat=True).get(pk=task.pk)


def job_state(job) -> str:
    return DicomJob.objects.values_list("state", flat=True).get(pk=job.pk)


def tasks_of(job) -> list[DicomTask]:
    return list(DicomTask.objects.filter(job_id=job.pk).order_by("pk"))


def assert_legal() -> None:
    """What holds of all jobs and tasks at any time."""
    for job in DicomJob.objects.all():
        counts = Counter(DicomTask.objects.filter(job=job).values_list("state", flat=True))
        running, waiting = counts["IN_PROGRESS"], counts["PENDING"]
        if job.state == "CANCELING":
            assert running and not waiting, counts
        elif job.state == "UNVERIFIED":
            assert waiting == sum(counts.values())
        elif waiting == sum(counts.values()) and not DicomTask.objects.filter(
            job=job, start__isnull=False
        ):
            assert job.state == "PENDING", job.state
        elif waiting or running:
            assert job.state == "IN_PROGRESS", (job.state, counts)
        else:
            order = ("FAILURE", "WARNING", "SUCCESS", "CANCELED")
            derived = next(state for state in order if counts[state])
            # Of a job that was canceled some tasks may have ended before.
            assert job.state in (derived, "CANCELED"), job.state
        assert (job.end is not None) == (job.state in DicomJob.ENDED)
    for task in DicomTask.objects.all():
        assert (task.lease is not None) == (task.state == "IN_PROGRESS")
        assert (task.end is not None) == (task.state in DicomTask.ENDED)
        assert task.state in ("PENDING", "IN_PROGRESS") or task.queued is None
    with_slot = DicomTask.objects.filter(queued__isnull=False).count()
    assert with_slot <= 2, f"{with_slot} tasks have one of two slots"

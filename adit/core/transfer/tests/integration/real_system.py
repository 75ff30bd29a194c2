"""Real workers, a real receiver and a PostgreSQL that can crash, around one transfer."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from adit.core.jobs.tests.integration.test_worker import wait_for
from adit.core.models import DicomTask, ReceivedInstance
from adit.core.receiver.tests.integration.conftest import ReceiverUnderTest
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.settings import base

ROOT = Path(__file__).resolve().parents[5]
WORKER = {
    "DJANGO_SETTINGS_MODULE": "adit.settings.test",
    "TASK_LEASE_SECONDS": "4",
    "TASK_RETRY_WAITS": "1",
    "TASK_MAX_CRASHES": "5",
    "TASK_ATTEMPTS": "2",
    "WORK_RESERVE_MB": "0",
    "DICOM_PROGRESS_TIMEOUT": "2",
    "CONFIRM_PATIENCE_SECONDS": "1",
    "TRANSFER_RECONNECT_WAITS": "0.2,0.5,1,2",
}


FILLER = "filler"
DISK_MB = 96


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own, so small that a test can fill it."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "adit-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    assert done.returncode == 0, f"Small disks need root (mount): {done.stderr}"
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with contextlib.suppress(OSError), (disk / FILLER).open("wb", buffering=0) as file:
        for _ in range(DISK_MB * 4):
            file.write(bytes(256 * 1024))
    with contextlib.suppress(OSError), (disk / FILLER).open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))


class RealSystem:
    """What one test runs; `close` ends every process that it started.

    Args:
        folder: of the test; work folder, spool and logs are below it.
    """

    def __init__(self, folder: Path, orthancs, source_double, taker) -> None:
        self.folder = folder
        self.orthancs = orthancs
        self.pacs = source_double
        self.taker = taker
        self.work_dir = folder / "work"
        self.spool_dir = folder / "spool"
        self._disks = contextlib.ExitStack()
        for disk in (self.work_dir, self.spool_dir):
            self._disks.enter_context(small_disk(disk))
        self.receiver = ReceiverUnderTest(folder)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.environment: dict[str, str] = {}
        self.task: Any = None
        self.enough = 8

    def start_worker(self) -> subprocess.Popen[bytes]:
        parameters = connection.get_connection_params()
        url = (
            f"postgresql://{parameters['user']}:{parameters['password']}"
            f"@{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
        )
        environment = {
            **os.environ,
            **WORKER,
            "DATABASE_URL": url,
            "WORK_DIR": str(self.work_dir),
            "FILE_TRANSMIT_KEY": settings.FILE_TRANSMIT_KEY,
            **self.environment,
        }
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "dicom_worker"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)
        return worker

    def ensure_worker(self) -> None:
        """Start a worker where none lives, as a supervisor would."""
        if not self.workers or self.workers[-1].poll() is not None:
            self.start_worker()

    def reset(self) -> None:
        """Forget what the last fault left at both peers."""
        for double in (self.pacs, self.taker):
            double.faults.clear()
        self.taker.archive.clear()
        self.taker.seen.stores.clear()
        self.ensure_worker()

    def close(self) -> None:
        for worker in self.workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in psutil.Process(worker.pid).children(recursive=True):
                    process.kill()
            worker.kill()
            worker.wait()
        process = self.receiver.process
        if process is not None and process.poll() is None:
            self.receiver.stop()
        self._disks.close()

    # What goes wrong

    def kill_worker(self) -> None:
        """SIGKILL the worker; another one is started, as a supervisor would."""
        self.workers[-1].kill()
        self.workers[-1].wait()
        self.start_worker()

    def kill_child(self) -> None:
        worker = self.workers[-1]
        for process in psutil.Process(worker.pid).children(recursive=True):
            # The run is a child of the fork server; the fork server itself is spared.
            if process.ppid() != worker.pid:
                process.kill()

    def kill_receiver(self) -> None:
        self.receiver.stop(signal.SIGKILL)
        self.receiver.start()

    def crash_database(self) -> None:
        """SIGKILL a process of PostgreSQL: the server ends all sessions and recovers from its
        log, as after a SIGKILL of the whole (PostgreSQL, "Shutting Down the Server")."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone() or (0,)
        assert pid
        os.kill(pid, signal.SIGKILL)
        connection.close()
        wait_for(self._database_answers)
        self.ensure_worker()

    @staticmethod
    def _database_answers() -> bool:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return True
        except DatabaseError:
            connection.close()
            return False

    def source_away(self) -> None:
        with self._away(self.pacs):
            time.sleep(1.5)

    def destination_away(self) -> None:
        with self._away(self.taker):
            time.sleep(1.5)

    def all_away(self, seconds: float) -> None:
        """Neither source nor destination answers."""
        with self._away(self.pacs), self._away(self.taker):
            time.sleep(seconds)

    def as_shipped(self) -> None:
        """Let workers wait as long as they do for users."""
        self.environment = {
            "TRANSFER_RECONNECT_WAITS": ",".join(map(str, base.TRANSFER_RECONNECT_WAITS)),
            "TASK_RETRY_WAITS": ",".join(map(str, base.TASK_RETRY_WAITS)),
            **{
                name: str(getattr(base, name))
                for name in ("TASK_ATTEMPTS", "TASK_LEASE_SECONDS", "DICOM_PROGRESS_TIMEOUT")
            },
        }

    @staticmethod
    @contextlib.contextmanager
    def _away(double):
        double.stop()
        yield
        double.stopping.clear()
        double.start()

    def orthanc_away(self) -> None:
        """SIGKILL the source and start it again."""
        self.orthancs[0].kill()
        self.orthancs[0].start()

    def fill_spool(self) -> None:
        fill(self.spool_dir)

    def work_folder_full(self) -> None:
        """Fill it while the task runs, and make room again when the task has noticed."""
        fill(self.work_dir)
        try:
            wait_for(lambda: self.has_failed_once(self.task))
        finally:
            self.free_disks()

    def free_disks(self) -> None:
        for disk in (self.spool_dir, self.work_dir):
            (disk / FILLER).unlink(missing_ok=True)

    # What must be true

    def finish(self, task, seconds: float = 90) -> DicomTask:
        """Wait for the end of the task."""

        def ended() -> bool:
            try:
                state = DicomTask.objects.values_list("state", flat=True).get(pk=task.pk)
            except DatabaseError:
                connection.close()
                return False
            self.ensure_worker()
            return state in DicomTask.ENDED

        try:
            wait_for(ended, seconds)
        except AssertionError:
            raise AssertionError(self.story(task)) from None
        task.refresh_from_db()
        return task

    def story(self, task) -> str:
        """The task's history and the end of the worker's log, for a test that failed."""
        events = [event.text for event in task.events.order_by("pk")]
        log = (self.folder / "worker.log").read_text(errors="replace")[-3000:]
        return "\n".join([*events, log])

    def halfway(self, task) -> bool:
        return len(self.taker.archive) >= self.enough

    def has_failed_once(self, task) -> bool:
        """Whether a fault has reached the task, which goes on."""
        return task.events.filter(level="warning").exists()

    def check_truth(self, task, expected: set[str]) -> set[str]:
        """Compare the ledger with what the destination holds; returns what it confirms.

        `expected` are the SOP Instance UIDs that must be at the destination, no others may be.
        """
        held = [str(instance.sop_instance_uid) for instance in self.taker.archive]
        records = records_of(task)
        confirmed = [r.new_uid for r in records if r.state == "c"]
        assert len(confirmed) == len(set(confirmed))
        assert set(confirmed) == set(held) == expected, self.story(task)
        assert len({r.source_uid for r in records}) == len(records)
        for record in records:
            if record.state == "c" and record.sha256_sent:
                assert self.taker.archive.get(record.new_uid).encoded() is not None
        return set(confirmed)

    def check_nothing_is_left(self) -> None:
        """No file in the work folder, no row and no file in the spool."""
        wait_for(lambda: _only_empty(self.work_dir), 30)
        wait_for(lambda: not ReceivedInstance.objects.exists(), 30)
        wait_for(lambda: not self.receiver.files(), 30)
        assert not list(self.receiver.spool.glob("*.part"))


def _only_empty(folder: Path) -> bool:
    return not [path for path in folder.rglob("*") if path.is_file()]

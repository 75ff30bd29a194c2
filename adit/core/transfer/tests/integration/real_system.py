"""Real workers, a real receiver and a PostgreSQL that can crash, around one transfer."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from adit.core.jobs.tests.integration.test_worker import wait_for
from adit.core.models import DicomTask, ReceivedInstance
from adit.core.receiver.tests.integration.conftest import ReceiverUnderTest
from adit.core.transfer.tests.integration.test_transfer import records_of

ROOT = Path(__file__).resolve().parents[5]
WORKER = {
    "DJANGO_SETTINGS_MODULE": "adit.settings.test",
    "TASK_LEASE_SECONDS": "4",
    "TASK_RETRY_WAITS": "0",
    "TASK_MAX_CRASHES": "5",
    "DICOM_PROGRESS_TIMEOUT": "3",
    "CONFIRM_PATIENCE_SECONDS": "1",
    "TRANSFER_RECONNECT_WAITS": "0.2,0.5,1,2",
}


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
        self.receiver = ReceiverUnderTest(folder)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.environment: dict[str, str] = {}

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

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        process = self.receiver.process
        if process is not None and process.poll() is None:
            self.receiver.stop()

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
            pid = cursor.fetchone()[0]
        os.kill(pid, signal.SIGKILL)
        connection.close()
        wait_for(self._database_answers)
        if self.workers[-1].poll() is not None:
            self.start_worker()

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

    # What must be true

    def finish(self, task, seconds: float = 90) -> DicomTask:
        """Wait for the end of the task."""

        def ended() -> bool:
            try:
                state = DicomTask.objects.values_list("state", flat=True).get(pk=task.pk)
            except DatabaseError:
                connection.close()
                return False
            if self.workers[-1].poll() is not None:
                self.start_worker()
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
        return len(self.taker.archive) >= 8

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
        wait_for(lambda: not list(self.work_dir.rglob("*")) or _only_empty(self.work_dir), 30)
        wait_for(lambda: not ReceivedInstance.objects.exists(), 30)
        wait_for(lambda: not self.receiver.files(), 30)
        assert not list(self.receiver.spool.glob("*.part"))


def _only_empty(folder: Path) -> bool:
    return not [path for path in folder.rglob("*") if path.is_file()]

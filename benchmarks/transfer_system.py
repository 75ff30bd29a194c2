"""What `transfer.py` measures: two Orthancs, a receiver and workers around a PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adit.stack.memory import PeakMemory
from adit.stack.orthanc import OrthancServer
from adit.stack.orthanc_rest import Modality
from adit.stack.ports import accepts_connections, free_port, wait_until
from adit.stack.postgres import EmbeddedPostgres
from adit.stack.processes import spawn, stop_process

ROOT = Path(__file__).resolve().parents[1]
DIMSE = {"study_root_get_support": True, "study_root_move_support": True}
# Settings of source and destination by the way that is measured.
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "C-GET": ({"preferred_retrieve": "C-GET"}, {}),
    "C-MOVE": ({"preferred_retrieve": "C-MOVE"}, {}),
    "DICOMweb": (
        {"preferred_retrieve": "WADO-RS", "dicomweb_wado_support": True},
        {"preferred_store": "STOW-RS", "dicomweb_stow_support": True},
    ),
}


class TransferSystem:
    """A context manager; Django is set up for its database while it is open."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.receiver_port = free_port()
        self.source = OrthancServer("ORTHANC1", base / "1")
        self.destination = OrthancServer("ORTHANC2", base / "2")
        self._postgres = EmbeddedPostgres(base / "postgres")
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> TransferSystem:
        os.environ.update(self._environment(self._postgres.start().url))
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, check=True, timeout=300)
        import django

        django.setup()
        self.source.start()
        self.destination.start()
        self.source.add_modality("ADIT_RECEIVER", Modality("ADIT_RECEIVER", self.receiver_port))
        self._spawn("receiver")
        wait_until(lambda: accepts_connections(self.receiver_port), "the receiver", timeout=60)
        self._worker = self._spawn("dicom_worker", "--concurrency", "4")
        self._make_models()
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            stop_process(process, timeout=20)
        self.source.stop()
        self.destination.stop()
        self._postgres.stop()

    def _environment(self, database_url: str) -> Mapping[str, str]:
        return {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "adit.settings.test",
            "ENVIRONMENT": "test",
            "LOG_LEVEL": "WARNING",
            "SPOOL_DIR": str(self._base / "spool"),
            "WORK_DIR": str(self._base / "work"),
            "STORE_SCP_PORT": str(self.receiver_port),
            "FILE_TRANSMIT_PORT": str(free_port()),
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        process = spawn(
            [sys.executable, "manage.py", *command], cwd=ROOT, log=self._base / f"{command[0]}.log"
        )
        self._processes.append(process)
        return process

    def _make_models(self) -> None:
        from adit.core.factories import DicomServerFactory, UserFactory, grant_access
        from adit.core.models import DeidProfile
        from adit.core.models.profiles import DEFAULT_PROFILE_NAME

        self._user = UserFactory(is_superuser=True)
        for orthanc in (self.source, self.destination):
            node = DicomServerFactory(
                name=orthanc.ae_title,
                ae_title=orthanc.ae_title,
                port=orthanc.dicom_port,
                dicomweb_root_url=orthanc.dicomweb_url,
                max_tasks=4,
                max_associations=8,
            )
            grant_access(self._user.active_group, node, source=True, destination=True)
        self._profile = DeidProfile.objects.get(name=DEFAULT_PROFILE_NAME)

    def transfer(self, way: str, studies: list[tuple[str, str]], *, profile: bool) -> float:
        """Move studies (patient ID, Study Instance UID) at once; from empty to confirmed.

        Returns:
            Seconds from the start of the first task to the end of the last.
        """
        from adit.core.jobs.actions import create_job
        from adit.core.jobs.registry import get_kind
        from adit.core.models import DicomNode, DicomServer, DicomTask
        from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask

        self.destination.clear()
        for name, changes in zip(("ORTHANC1", "ORTHANC2"), WAYS[way], strict=True):
            neutral = {"preferred_retrieve": "", "preferred_store": ""}
            DicomServer.objects.filter(name=name).update(**{**neutral, **changes})
        tasks = [
            SelectiveTransferTask(
                source=DicomNode.objects.get(name="ORTHANC1"),
                destination=DicomNode.objects.get(name="ORTHANC2"),
                patient_id=patient_id,
                study_instance_uid=study,
                pseudonym=f"SUBJECT-{number}" if profile else "",
            )
            for number, (patient_id, study) in enumerate(studies)
        ]
        job = SelectiveTransferJob(profile=self._profile if profile else None)
        create_job(self._user, get_kind("selective_transfer"), job, tasks)
        waiting = DicomTask.objects.filter(job_id=job.pk)
        while waiting.exclude(state__in=DicomTask.ENDED).exists():
            time.sleep(0.05)
        ended = list(waiting)
        bad = [f"{task.state}: {task.message}" for task in ended if task.state != "SUCCESS"]
        assert not bad, bad
        first = min(task.start for task in ended if task.start)
        return (max(task.end for task in ended if task.end) - first).total_seconds()

    @contextmanager
    def peak_memory(self) -> Iterator[PeakMemory]:
        """The most memory of any of the worker's children meanwhile."""
        with PeakMemory(self._worker.pid) as peak:
            yield peak

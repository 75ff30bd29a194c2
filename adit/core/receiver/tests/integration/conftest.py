"""A real receiver process on free ports, DCMTK as senders, PostgreSQL as it is."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from django.db import connection
from pydicom import Dataset

from adit.core.receiver.addresses import TOKEN_FILE
from adit.core.receiver.housekeeping import heartbeat
from adit.core.receiver.spool import Spool
from adit.stack.ports import free_port
from adit.test_pacs.phantoms import PATIENTS, study_instances

ROOT = Path(__file__).parents[5]
KEY = "a key for tests"
AE_TITLE = "ADIT_RECEIVER"


class ReceiverUnderTest:
    """`manage.py receiver` as a process that can be killed and started again."""

    def __init__(self, folder: Path, *, wrapper: tuple[str, ...] = (), **environment: str) -> None:
        self.ae_title = environment.get("RECEIVER_AE_TITLE", AE_TITLE)
        self.host = environment.get("STORE_SCP_HOST", "127.0.0.1")
        self.port, self.transmit_port = free_port(), free_port()
        # Several run beside each other, and none may take another's rows for its own.
        self.name = environment.get("RECEIVER_NAME", f"receiver-{self.port}")
        self.spool = folder / "spool" / self.name
        self._wrapper = wrapper
        settings = connection.settings_dict
        url = (
            f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}"
            f":{settings['PORT']}/{settings['NAME']}"
        )
        self._environment = os.environ | {
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "adit.settings.test",
            "ENVIRONMENT": "test",
            "SPOOL_DIR": str(folder / "spool"),
            "STORE_SCP_PORT": str(self.port),
            "FILE_TRANSMIT_PORT": str(self.transmit_port),
            "FILE_TRANSMIT_KEY": KEY,
            "RECEIVER_AE_TITLE": AE_TITLE,
            "RECEIVER_NAME": self.name,
            "SPOOL_RESERVE_MB": "1",
            "RECEIVER_PROCESSES": "2",
            # Senders in tests call themselves as they like.
            "RECEIVER_EXTRA_SENDERS": "*@127.0.0.1",
            **environment,
        }
        self._log = folder / "receiver.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._wrapper, sys.executable, "manage.py", "receiver"],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout
        assert b"listens" in self.process.stdout.readline(), self.log()

    def log(self) -> str:
        return self._log.read_text()

    def children(self) -> list[psutil.Process]:
        """The steward, then the acceptors."""
        assert self.process
        return psutil.Process(self.process.pid).children()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(30)

    def files(self) -> list[Path]:
        return sorted(self.spool.glob("*.dcm"))


@pytest.fixture(scope="session")
def _running_receiver(
    django_db_setup: None, django_db_blocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReceiverUnderTest]:
    receiver = ReceiverUnderTest(tmp_path_factory.mktemp("receiver"))
    with django_db_blocker.unblock():
        receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def receiver(
    transactional_db: None, settings, _running_receiver: ReceiverUnderTest
) -> Iterator[ReceiverUnderTest]:
    """A receiver that runs for the whole session; its spool and tables are empty, and its spool is
    so again afterwards: it would enter files without row anew."""
    settings.FILE_TRANSMIT_KEY = KEY
    receiver = _running_receiver
    spool = Spool(receiver.spool)
    for name in list(spool.names()):
        spool.remove(name)
    heartbeat(
        receiver.name,
        host="127.0.0.1",
        port=receiver.transmit_port,
        spool=spool,
        ae_title=AE_TITLE,
        token=(receiver.spool / TOKEN_FILE).read_text(),
    )
    yield receiver
    for name in list(spool.names()):
        spool.remove(name)


@pytest.fixture
def mortal_receiver(transactional_db: None, tmp_path: Path) -> Iterator[ReceiverUnderTest]:
    """A receiver of the test's own, to be stopped and killed."""
    receiver = ReceiverUnderTest(tmp_path)
    receiver.start()
    yield receiver
    if receiver.process and receiver.process.poll() is None:
        receiver.stop()


class Study:
    """An example study as files in a folder."""

    def __init__(self, folder: Path, patient_id: str) -> None:
        patient = next(patient for patient in PATIENTS if patient.patient_id == patient_id)
        self.folder = folder
        self.instances: list[Dataset] = list(study_instances(patient, patient.studies[0], 0.25))
        self.uid = str(self.instances[0].StudyInstanceUID)
        self.series_uid = str(self.instances[0].SeriesInstanceUID)
        self.uids = frozenset(str(ds.SOPInstanceUID) for ds in self.instances)
        folder.mkdir(parents=True)
        for ds in self.instances:
            ds.save_as(folder / f"{ds.SOPInstanceUID}.dcm", enforce_file_format=True)


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """24 CT instances."""
    return Study(tmp_path_factory.mktemp("head") / "files", "1001")


@pytest.fixture(scope="session")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """20 MR instances in JPEG 2000 and RLE."""
    return Study(tmp_path_factory.mktemp("compressed") / "files", "1009")


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """312 CT instances."""
    return Study(tmp_path_factory.mktemp("large") / "files", "1008")


Store = Callable[..., subprocess.CompletedProcess[str]]


def send(receiver: ReceiverUnderTest, study: Study, *options: str):
    """Send a study with DCMTK's storescu."""
    arguments = ("-aec", AE_TITLE, "127.0.0.1", receiver.port, "+sd", study.folder)
    return dcmtk("storescu", *options, *arguments)


def dcmtk(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = shutil.which(program, path="/usr/bin")
    assert path, f"{program} is missing: apt-get install dcmtk"
    return subprocess.run(
        [path, *map(str, arguments)],
        env=os.environ | {"TCP_NODELAY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="latin-1",
        timeout=120,
    )


@pytest.fixture
def store(receiver: ReceiverUnderTest) -> Store:
    """Sends a study to the receiver with DCMTK's storescu."""
    return partial(send, receiver)

"""Two receivers and two workers that share no folder; one of the receivers dies in the middle."""

import contextlib
import copy
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from django.db import connection
from pydicom.uid import generate_uid

from adit.core.factories import DicomServerFactory
from adit.core.models import DicomServer, DicomTask, ReceivedInstance, SeriesTransfer
from adit.core.receiver.tests.integration.conftest import KEY, ReceiverUnderTest
from adit.stack.orthanc import OrthancServer
from adit.stack.orthanc_rest import Modality
from adit.stack.ports import wait_until
from adit.test_pacs.double import PacsDouble
from adit.test_pacs.phantoms import PATIENTS, study_instances

from .conftest import part10, server_node

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.patience,
    pytest.mark.django_db(transaction=True),
]

ROOT = Path(__file__).parents[5]
STUDIES = 20


@pytest.fixture(scope="module")
def studies():
    """Twenty studies of 24 instances each."""
    patient = next(patient for patient in PATIENTS if patient.patient_id == "1001")
    first = list(study_instances(patient, patient.studies[0], scale=0.25))
    made = []
    for _ in range(STUDIES):
        study, series = generate_uid(), generate_uid()
        instances = []
        for ds in first:
            ds = copy.deepcopy(ds)
            ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            instances.append(ds)
        made.append((study, instances))
    return made


@pytest.fixture(scope="module")
def busy_source(tmp_path_factory, studies):
    # A task keeps an association open while it waits for another one.
    options = {"DicomThreadsCount": 64, "ConcurrentJobs": 0}
    with OrthancServer("BUSY", tmp_path_factory.mktemp("busy"), options=options) as orthanc:
        for _, instances in studies:
            for ds in instances:
                orthanc.request("POST", "/instances", part10(ds))
        yield orthanc


def may_unshare() -> bool:
    return subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode == 0


def apart(folder: Path, name: str) -> tuple[str, ...]:
    """A command that lets a receiver see another folder at the path of its spool than workers do,
    as on another host."""
    own, seen = folder / "own" / name, folder / "spool" / name
    own.mkdir(parents=True)
    seen.mkdir(parents=True)
    script = f'mount --make-rprivate / && mount --bind "{own}" "{seen}" && exec "$@"'
    return ("unshare", "-m", "sh", "-c", script, "sh")


@pytest.fixture
def pair(transactional_db, settings, tmp_path, busy_source):
    """Two receivers with a spool, an AE title and an address each."""
    settings.FILE_TRANSMIT_KEY = KEY
    receivers = []
    for number in (2, 3):
        name = f"receiver-{number}"
        host = f"127.0.0.{number}"
        receiver = ReceiverUnderTest(
            tmp_path,
            wrapper=apart(tmp_path, name) if may_unshare() else (),
            RECEIVER_NAME=name,
            RECEIVER_AE_TITLE=f"RECEIVER{number}",
            STORE_SCP_HOST=host,
            FILE_TRANSMIT_HOST=host,
        )
        if may_unshare():
            receiver.spool = tmp_path / "own" / name
        receiver.start()
        busy_source.add_modality(
            receiver.ae_title, Modality(receiver.ae_title, receiver.port, host=host)
        )
        receivers.append(receiver)
    yield receivers
    for receiver in receivers:
        if receiver.process and receiver.process.poll() is None:
            receiver.stop()


@pytest.fixture
def workers(settings, tmp_path, pair):
    """Two worker processes with ten tasks at once each."""
    parameters = connection.get_connection_params()
    url = (
        f"postgresql://{parameters['user']}:{parameters['password']}"
        f"@{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    )
    started = []

    def start():
        for number in range(2):
            environment = os.environ | {
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "adit.settings.test",
                "ENVIRONMENT": "test",
                "WORK_DIR": str(tmp_path / f"work{number}"),
                "FILE_TRANSMIT_KEY": KEY,
                "RECEIVER_SHARED_SPOOL": str(may_unshare()),
                "TASK_ATTEMPTS": "6",
                "TASK_RETRY_WAITS": "1,2,4,4,4",
                "TASK_LEASE_SECONDS": "15",
            }
            command = [sys.executable, "manage.py", "dicom_worker", "--concurrency", "10"]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        return started

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def busy_tasks(busy_source, studies, make_task):
    """A C-MOVE of each study to a destination that counts what it gets."""
    source = server_node(
        busy_source,
        preferred_retrieve="C-MOVE",
        patient_root_get_support=False,
        study_root_get_support=False,
        max_tasks=STUDIES,
    )
    with PacsDouble("COUNTING") as double:
        destination = DicomServerFactory(
            name="COUNTING", ae_title="COUNTING", port=double.port, max_tasks=STUDIES
        )
        DicomServer.objects.update(max_associations=STUDIES * 4)
        tasks = [make_task(destination, pseudonym="", source=source) for _ in range(STUDIES)]
        for task, (study, _) in zip(tasks, studies, strict=True):
            task.study_instance_uid = study
            task.save()
        yield double, tasks


def ended_tasks() -> int:
    return DicomTask.objects.filter(state__in=DicomTask.ENDED).count()


def test_twenty_moves_at_once_survive_the_death_of_a_receiver(pair, workers, busy_tasks, studies):
    double, _ = busy_tasks
    workers()
    wait_until(lambda: len(double.seen.stores) > 40, "the first instances", timeout=120)
    pair[0].stop(signal.SIGKILL)
    time.sleep(2)
    pair[0].start()
    wait_until(lambda: ended_tasks() == STUDIES, "the end of all tasks", timeout=300)
    states = Counter(DicomTask.objects.values_list("state", "message"))
    assert {state for state, _ in states} == {"SUCCESS"}, states
    stored = Counter(seen.sop_instance_uid for seen in double.seen.stores)
    assert set(stored) == {ds.SOPInstanceUID for _, instances in studies for ds in instances}
    assert set(stored.values()) == {1}
    for row in SeriesTransfer.objects.all():
        assert (row.expected, row.confirmed, row.failed) == (24, 24, 0)
    assert all(receiver.process.poll() is None for receiver in pair)
    wait_until(lambda: not ReceivedInstance.objects.exists(), "empty tables", timeout=60)
    wait_until(lambda: not any(r.files() for r in pair), "empty spools", timeout=60)
    assert not any(list(receiver.spool.glob("*.part")) for receiver in pair)


def test_what_a_killed_worker_had_claimed_is_not_lost(pair, workers, busy_tasks, studies):
    double, _ = busy_tasks
    first, _ = workers()
    wait_until(lambda: len(double.seen.stores) > 40, "the first instances", timeout=120)
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    wait_until(lambda: ended_tasks() == STUDIES, "the end of all tasks", timeout=300)
    assert set(DicomTask.objects.values_list("state", flat=True)) == {"SUCCESS"}
    stored = {seen.sop_instance_uid for seen in double.seen.stores}
    assert stored == {ds.SOPInstanceUID for _, instances in studies for ds in instances}
    wait_until(lambda: not ReceivedInstance.objects.exists(), "empty tables", timeout=60)
    wait_until(lambda: not any(r.files() for r in pair), "empty spools", timeout=60)

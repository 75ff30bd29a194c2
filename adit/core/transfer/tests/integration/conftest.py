"""A source and a destination: two real Orthancs with example studies, for the whole session."""

import io
import urllib.request
from dataclasses import dataclass

import pytest
from django.db.models.functions import Now
from pydicom import dcmread

from adit.core.dicom import CancelToken
from adit.core.factories import (
    DeidProfileFactory,
    DicomFolderFactory,
    DicomServerFactory,
    UserFactory,
    grant_access,
)
from adit.core.jobs import leases
from adit.core.jobs.actions import create_job
from adit.core.jobs.registry import get_kind
from adit.core.jobs.run import TaskRun
from adit.core.models import DicomJob, DicomNode, DicomServer, DicomTask
from adit.core.receiver.tests.integration.conftest import AE_TITLE, KEY, ReceiverUnderTest
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask
from adit.stack.orthanc import OrthancServer
from adit.stack.orthanc_rest import Modality
from adit.test_pacs.double import PacsDouble
from adit.test_pacs.phantoms import PATIENTS, study_instances


def part10(ds) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def download(orthanc, instance: str) -> bytes:
    with urllib.request.urlopen(f"{orthanc.http_url}/instances/{instance}/file") as answer:
        return answer.read()


@dataclass
class ExampleStudy:
    patient_id: str
    uid: str
    instances: list


@pytest.fixture(scope="session")
def orthancs(tmp_path_factory):
    base = tmp_path_factory.mktemp("orthancs")
    with (
        OrthancServer("ORTHANC1", base / "1") as first,
        OrthancServer("ORTHANC2", base / "2") as second,
    ):
        yield first, second


@pytest.fixture(scope="session")
def example_study(orthancs):
    """The two MR series of patient 1001, at ORTHANC1."""
    patient = next(p for p in PATIENTS if p.patient_id == "1001")
    instances = list(study_instances(patient, patient.studies[1], scale=0.25))
    for ds in instances:
        orthancs[0].request("POST", "/instances", part10(ds))
    return ExampleStudy("1001", str(instances[0].StudyInstanceUID), instances)


@pytest.fixture
def pacs(example_study):
    """A PACS double that holds the example study; its faults are switched on by the tests."""
    with PacsDouble("DOUBLE", instances=example_study.instances) as double:
        yield double


@pytest.fixture
def double_source(transactional_db, pacs):
    return DicomServerFactory(name="DOUBLE", ae_title="DOUBLE", port=pacs.port)


@pytest.fixture
def double_destination(transactional_db):
    with PacsDouble("TAKER") as double:
        DicomServerFactory(name="TAKER", ae_title="TAKER", port=double.port)
        yield double


@pytest.fixture
def holdings(orthancs):
    """All instances at the destination, read back; it is empty when the test begins."""

    def read():
        second = orthancs[1]
        return [
            dcmread(io.BytesIO(download(second, one)))
            for one in second.request("GET", "/instances")
        ]

    orthancs[1].clear()
    return read


def server_node(orthanc, **changes) -> DicomServer:
    return DicomServerFactory(
        name=orthanc.ae_title,
        ae_title=orthanc.ae_title,
        port=orthanc.dicom_port,
        dicomweb_root_url=orthanc.dicomweb_url,
        **changes,
    )


@pytest.fixture
def source(transactional_db, orthancs):
    return server_node(orthancs[0])


@pytest.fixture
def destination(transactional_db, orthancs):
    return server_node(orthancs[1])


@pytest.fixture
def folder(transactional_db, settings, tmp_path):
    settings.MOUNT_DIR = tmp_path / "mount"
    return DicomFolderFactory(path="research")


@pytest.fixture
def make_task(request, example_study):
    """A task for the example study, of a user who may do everything."""
    user = UserFactory(is_superuser=True)

    def make(
        destination,
        pseudonym="PSEUDO1",
        source=None,
        job=None,
        password="",
        profile=None,
        **changes,
    ):
        source = source or request.getfixturevalue("source")
        grant_access(user.active_group, source, source=True)
        grant_access(user.active_group, destination, destination=True)
        task = SelectiveTransferTask(
            source=DicomNode.objects.get(pk=source.pk),
            destination=DicomNode.objects.get(pk=destination.pk),
            pseudonym=pseudonym,
            **{
                "patient_id": example_study.patient_id,
                "study_instance_uid": example_study.uid,
                **changes,
            },
        )
        if pseudonym and profile is None:
            profile = DeidProfileFactory()
        create_job(
            user,
            get_kind("selective_transfer"),
            SelectiveTransferJob(profile=profile, **(job or {})),
            [task],
            archive_password=password,
        )
        return SelectiveTransferTask.objects.get(pk=task.pk)

    return make


@pytest.fixture
def work(tmp_path):
    """Do one attempt at a task in this process, as a worker's child would."""

    def do(task):
        lease = leases.claim(task.pk, "test")
        assert lease
        folder = tmp_path / lease.token.hex
        folder.mkdir()
        run = TaskRun(lease, CancelToken(), folder)
        result = get_kind(lease.kind).processor()(task, run)
        leases.finish(lease, result.state, result.message)
        task.refresh_from_db()
        return result

    return do


@pytest.fixture
def again():
    """Let a task that has ended wait again, as after a retry."""

    def do(task):
        DicomTask.objects.filter(pk=task.pk).update(state="PENDING", queued=Now())
        DicomJob.objects.filter(pk=task.job_id).update(state="PENDING")

    return do


@pytest.fixture
def receiver(transactional_db, settings, tmp_path, orthancs):
    """A receiver process that the source knows as the destination of a C-MOVE."""
    settings.FILE_TRANSMIT_KEY = KEY
    receiver = ReceiverUnderTest(tmp_path)
    receiver.start()
    orthancs[0].add_modality(AE_TITLE, Modality(AE_TITLE, receiver.port))
    yield receiver
    receiver.stop()

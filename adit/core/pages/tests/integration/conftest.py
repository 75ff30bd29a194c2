import uuid

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from adit.core.factories import DicomServerFactory, UserFactory
from adit.core.models import DicomNode, DicomTask, SeriesTransfer, TaskEvent
from adit.core.models.records import InstanceRecord, InstanceState, encode_records
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask


@pytest.fixture
def owner(db):
    user = UserFactory()
    user.user_permissions.add(
        Permission.objects.get(codename="add_selectivetransferjob"),
        Permission.objects.get(codename="query_dicom_server"),
    )
    return user


@pytest.fixture
def stranger(db):
    return UserFactory()


@pytest.fixture
def staff(db):
    return UserFactory(is_staff=True)


@pytest.fixture
def make_job(db):
    def make(owner, state="PENDING", tasks=("PENDING",), pseudonym="ABC"):
        nodes = [DicomServerFactory().pk, DicomServerFactory().pk]
        source, destination = (DicomNode.objects.get(pk=pk) for pk in nodes)
        job = SelectiveTransferJob.objects.create(
            kind="selective_transfer", owner=owner, state=state
        )
        for line, task_state in enumerate(tasks, 1):
            running = task_state == DicomTask.State.IN_PROGRESS
            SelectiveTransferTask.objects.create(
                job=job,
                source=source,
                destination=destination,
                line=line,
                state=task_state,
                patient_id=f"PID{line}",
                pseudonym=pseudonym,
                study_instance_uid=f"1.2.{line}",
                instances_expected=3,
                instances_done=2,
                bytes_done=2_000_000,
                instances_per_second=10 if running else 0,
                lease=uuid.uuid4() if running else None,
                start=timezone.now() if running else None,
                log="secret log line",
            )
        return job

    return make


@pytest.fixture
def make_ledger():
    def make(task):
        TaskEvent.objects.create(task=task, text="Planned")
        return SeriesTransfer.objects.create(
            task=task,
            series_instance_uid="1.2.3",
            new_series_instance_uid="2.25.3",
            series_number=4,
            modality="CT",
            description="Description of the source",
            state="SUCCESS",
            expected=3,
            received=2,
            sent=2,
            confirmed=2,
            excluded=1,
            instances=encode_records(
                [
                    InstanceRecord("1.2.3.1", InstanceState.CONFIRMED, "2.25.1", 5, "aa" * 32),
                    InstanceRecord("1.2.3.2", InstanceState.CONFIRMED, "2.25.2", 5, "ab" * 32),
                    InstanceRecord("1.2.3.3", InstanceState.EXCLUDED, reason="modality"),
                ]
            ),
        )

    return make

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from adit.core.factories import DicomServerFactory, UserFactory, grant_access
from adit.core.jobs import registry
from adit.core.jobs.actions import create_job
from adit.core.jobs.registry import get_kind
from adit.core.jobs.tests.integration.racers import Racers
from adit.core.jobs.tests.integration.scripted import Workers, scripted_job
from adit.core.models import DicomNode, DicomTask
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask
from adit.test_jobs.kind import BULK, SCRIPTED

KIND = "selective_transfer"


@pytest.fixture
def source(db):
    return DicomServerFactory(name="SOURCE", max_tasks=2)


@pytest.fixture
def destination(db):
    return DicomServerFactory(name="DESTINATION")


@pytest.fixture
def make_user(source, destination):
    def make(**changes):
        user = UserFactory(**changes)
        grant_access(user.active_group, source, source=True)
        grant_access(user.active_group, destination, destination=True)
        user.user_permissions.add(
            Permission.objects.get(codename="add_selectivetransferjob"),
            Permission.objects.get(codename="can_transfer_unpseudonymized"),
        )
        return type(user).objects.get(pk=user.pk)

    return make


@pytest.fixture
def owner(make_user):
    return make_user()


@pytest.fixture
def staff(make_user):
    return make_user(is_staff=True)


@pytest.fixture
def make_job(source, destination):
    def make(owner, tasks=1, **changes):
        verified = changes.pop("verified", True)
        job = create_job(
            owner,
            get_kind(KIND),
            SelectiveTransferJob(**changes),
            [
                SelectiveTransferTask(
                    source=DicomNode.objects.get(pk=source.pk),
                    destination=DicomNode.objects.get(pk=destination.pk),
                    patient_id=f"P{i}",
                    study_instance_uid=f"1.2.{i}",
                )
                for i in range(tasks)
            ],
            verified=verified,
        )
        job.refresh_from_db()
        return job

    return make


@pytest.fixture
def tasks_of():
    return lambda job: list(DicomTask.objects.filter(job_id=job.pk).order_by("pk"))


@pytest.fixture
def scripted_kinds(settings):
    """The kinds whose tasks follow a script, for the time of a test."""
    registry.register(SCRIPTED)
    registry.register(BULK)
    yield
    del registry._kinds[SCRIPTED.key], registry._kinds[BULK.key]


@pytest.fixture
def scripted(scripted_kinds, source):
    """Make jobs of scripted tasks."""

    def make(owner, *scripts, **changes):
        owner.user_permissions.add(Permission.objects.get(codename="add_dicomjob"))
        owner = type(owner).objects.get(pk=owner.pk)
        return scripted_job(owner, source, scripts or [""], **changes)

    return make


@pytest.fixture(scope="module")
def racers(django_db_setup):
    """Two processes for all races of a module: one with Django takes seconds to start."""
    racers = Racers(connection.settings_dict["NAME"])
    yield racers
    racers.stop()


@pytest.fixture
def race(transactional_db, scripted_kinds, racers):
    return racers


@pytest.fixture
def own_race(transactional_db, scripted_kinds):
    """Racers that a test may change."""
    racers = Racers(connection.settings_dict["NAME"])
    yield racers
    racers.stop()


@pytest.fixture
def workers(settings, tmp_path):
    """Start real workers; all end with the test."""
    settings.WORK_DIR = tmp_path / "work"
    started = Workers()
    yield started
    started.stop()

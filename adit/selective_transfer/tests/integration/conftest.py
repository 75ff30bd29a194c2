"""Users, nodes and real servers with example studies."""

import io

import pytest
from django.contrib.auth.models import Permission

from adit.accounts.models import User
from adit.core.factories import (
    DeidProfileFactory,
    DicomFolderFactory,
    DicomServerFactory,
    UserFactory,
    grant_access,
)
from adit.core.models import DeidProfile
from adit.core.models.profiles import DEFAULT_PROFILE_NAME
from adit.stack.orthanc import OrthancServer
from adit.test_pacs.double import PacsDouble
from adit.test_pacs.phantoms import PATIENTS, study_instances

RIGHTS = ("add_selectivetransferjob", "query_dicom_server")


@pytest.fixture(scope="session")
def examples():
    """A few instances of each study of the patients 1001 to 1003."""
    return [
        ds
        for patient in PATIENTS[:3]
        for study in patient.studies
        for ds in study_instances(patient, study, scale=0.25)
    ]


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory, examples):
    with OrthancServer("ORTHANC1", tmp_path_factory.mktemp("orthanc")) as server:
        for ds in examples:
            buffer = io.BytesIO()
            ds.save_as(buffer, enforce_file_format=True)
            server.request("POST", "/instances", buffer.getvalue())
        yield server


@pytest.fixture
def double(examples):
    """A PACS double whose faults are switched on by the tests."""
    with PacsDouble("DOUBLE", instances=examples) as pacs:
        yield pacs


@pytest.fixture
def source(transactional_db, orthanc):
    return DicomServerFactory(name="ORTHANC1", ae_title="ORTHANC1", port=orthanc.dicom_port)


@pytest.fixture
def double_source(transactional_db, double):
    return DicomServerFactory(name="DOUBLE", ae_title="DOUBLE", port=double.port)


@pytest.fixture
def folder(transactional_db):
    return DicomFolderFactory(name="Research")


@pytest.fixture
def profile(transactional_db):
    # A migration makes it; tests with transactions of their own empty all tables at their end.
    there = DeidProfile.objects.filter(name=DEFAULT_PROFILE_NAME).first()
    return there or DeidProfileFactory(name=DEFAULT_PROFILE_NAME)


@pytest.fixture
def make_user(folder, profile):
    """A user who may search at the given sources and transfer to the folder, with a pseudonym."""

    def make(*sources, rights=RIGHTS, **changes):
        user = UserFactory(**changes)
        for node in sources:
            grant_access(user.active_group, node, source=True)
        grant_access(user.active_group, folder, destination=True)
        user.user_permissions.add(*Permission.objects.filter(codename__in=rights))
        return User.objects.get(pk=user.pk)

    return make

import pytest

from adit.accounts.models import User
from adit.core import example_data
from adit.core.models import DeidProfile, DicomNode, DicomServer

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("ORTHANC1_HOST", "127.0.0.1")
    monkeypatch.setenv("ORTHANC1_DICOM_PORT", "4711")
    monkeypatch.setenv("ORTHANC1_DICOMWEB_URL", "http://127.0.0.1:8042/dicom-web")


def test_the_example_users_can_log_in_and_use_their_nodes(environment, client):
    example_data.populate()
    for name in ("admin", "researcher", "physician"):
        assert client.login(username=name, password=name)
        user = User.objects.get(username=name)
        sources = set(DicomNode.objects.sources_of(user).values_list("name", flat=True))
        destinations = set(DicomNode.objects.destinations_of(user).values_list("name", flat=True))
        assert sources == {"ORTHANC1", "ORTHANC2"}
        assert destinations == {"ORTHANC1", "ORTHANC2", "Example folder"}


def test_only_the_physician_may_transfer_unpseudonymised(environment):
    example_data.populate()
    permission = "core.can_transfer_unpseudonymized"
    assert User.objects.get(username="physician").has_perm(permission)
    assert not User.objects.get(username="researcher").has_perm(permission)


def test_a_second_run_brings_addresses_up_to_date(environment, monkeypatch):
    example_data.populate()
    monkeypatch.setenv("ORTHANC1_DICOM_PORT", "4712")
    monkeypatch.setenv("ORTHANC1_DICOMWEB_URL", "")
    example_data.populate()
    server = DicomServer.objects.get(name="ORTHANC1")
    assert (server.port, server.dicomweb_wado_support) == (4712, False)
    assert User.objects.count() == 3


def test_it_can_be_removed_and_made_again(environment):
    example_data.populate()
    example_data.remove()
    assert not DicomNode.objects.exists()
    example_data.populate()
    assert DicomNode.objects.count() == 3


def test_every_installation_has_the_default_profile():
    profile = DeidProfile.objects.get(name="Standard research")
    assert profile.to_profile().excluded_modalities == {"PR", "SR"}
    assert len(profile.to_profile().secret) == 32

"""The connection test from the command line and from the admin."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from adit.audit.models import AuditEntry
from adit.core.factories import DicomServerFactory, UserFactory
from adit.stack.ports import free_port
from adit.test_pacs import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def server(settings):
    with PacsDouble("DOUBLE", peers={settings.RECEIVER_AE_TITLE: ("127.0.0.1", 1)}) as pacs:
        yield DicomServerFactory(name="DOUBLE", ae_title="DOUBLE", port=pacs.port)


def test_the_command_says_what_the_server_offers(server, capsys):
    call_command("test_connection", "DOUBLE")
    out = capsys.readouterr().out
    assert "C-ECHO: passed." in out
    assert "offers storage commitment, but it is switched off here" in out
    assert AuditEntry.objects.get(action="server.test").outcome == "passed"


def test_the_command_fails_for_a_server_that_is_away(capsys):
    DicomServerFactory(name="AWAY", port=free_port())
    with pytest.raises(CommandError, match="failed"):
        call_command("test_connection", "AWAY")
    assert "AWAY cannot be reached" in capsys.readouterr().out


def test_the_command_names_the_servers_that_there_are(server):
    with pytest.raises(CommandError, match="Known servers: DOUBLE"):
        call_command("test_connection", "OTHER")


def test_the_admin_has_a_button_that_shows_the_result(server, client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    url = reverse("admin:core_dicomserver_test_connection", args=[server.pk])
    page = client.get(reverse("admin:core_dicomserver_change", args=[server.pk]))
    assert url in page.content.decode()
    answer = client.post(url).content.decode()
    assert "No step failed" in answer
    assert "offers storage commitment, but it is switched off here" in answer
    assert client.get(url).status_code == 405


def test_only_who_may_change_servers_may_test_them(server, client):
    client.force_login(UserFactory(is_staff=True))
    url = reverse("admin:core_dicomserver_test_connection", args=[server.pk])
    assert client.post(url).status_code == 403
    assert not AuditEntry.objects.filter(action="server.test").exists()

"""The connection test by the API."""

import pytest
from django.contrib.auth.models import Permission

from adit.audit.models import AuditEntry
from adit.core.factories import DicomServerFactory, UserFactory
from adit.stack.ports import free_port
from adit.test_pacs import PacsDouble

from .test_api import assert_problem, post

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def admin():
    user = UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="change_dicomserver"))
    return user


@pytest.fixture
def server(settings):
    with PacsDouble("DOUBLE", peers={settings.RECEIVER_AE_TITLE: ("127.0.0.1", 1)}) as pacs:
        yield DicomServerFactory(name="PACS of ward 3/4", ae_title="DOUBLE", port=pacs.port)


def test_the_report_tells_each_step_and_proposes_the_settings(admin, server):
    body = post(admin, f"nodes/{server.name}/test/").json()
    assert body["passed"]
    assert 0 < body["latency"] < 5
    verdicts = {finding["title"]: finding["verdict"] for finding in body["findings"]}
    assert verdicts["C-ECHO"] == verdicts["C-FIND, study root"] == "passed"
    assert body["capabilities"]["storage_commitment_support"] is True
    (difference,) = body["differences"]
    assert difference["flag"] == "storage_commitment_support"
    assert (difference["configured"], difference["found"]) == (False, True)
    assert "switched off here" in difference["says"]
    assert AuditEntry.objects.get(action="server.test").user == admin


def test_a_server_that_is_away_does_not_pass_and_is_no_error_of_ours(admin):
    DicomServerFactory(name="AWAY", port=free_port())
    response = post(admin, "nodes/AWAY/test/")
    assert response.status_code == 200
    assert not response.json()["passed"]
    assert "cannot be reached" in response.json()["findings"][0]["says"]


def test_who_may_not_change_servers_learns_nothing(server):
    user = UserFactory()
    for name in (server.name, "UNKNOWN"):
        assert_problem(post(user, f"nodes/{name}/test/"), 403, "permission_denied")
    assert not AuditEntry.objects.filter(action="server.test").exists()


def test_an_unknown_server_is_not_found(admin):
    assert_problem(post(admin, "nodes/UNKNOWN/test/"), 404, "not_found")

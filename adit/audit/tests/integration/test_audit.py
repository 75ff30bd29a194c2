import pytest
from django.db import Error, transaction

from adit.audit.listeners import record
from adit.audit.models import AuditEntry
from adit.core.factories import UserFactory
from adit.core.jobs.actions import action_done

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def test_log_in_and_log_out_are_recorded(client):
    user = UserFactory()
    assert client.login(username=user.username, password="secret")
    client.logout()
    assert list(AuditEntry.objects.order_by("id").values_list("action", "username")) == [
        ("login", user.username),
        ("logout", user.username),
    ]


def test_a_failed_log_in_is_recorded_with_the_name_that_was_tried(client):
    client.login(username="mallory", password="guess")
    assert AuditEntry.objects.get().username == "mallory"
    assert AuditEntry.objects.get().action == "login.failed"


def test_an_action_is_recorded_with_user_group_and_outcome():
    user = UserFactory()
    action_done.send(object, user=user, action="job.cancel", object=user, outcome="stopped")
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.group, entry.action) == (user, user.active_group.name, "job.cancel")
    assert entry.outcome == "stopped"


@pytest.mark.parametrize("change", [lambda e: e.update(outcome="forged"), lambda e: e.delete()])
def test_entries_can_neither_be_changed_nor_deleted(change):
    record("login", UserFactory())
    with pytest.raises(Error, match="append-only"), transaction.atomic():
        change(AuditEntry.objects.all())
    assert AuditEntry.objects.get().outcome == ""

import pytest
from django.core.management import CommandError, call_command

from adit.accounts.models import User

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def superuser_in_environment(monkeypatch):
    monkeypatch.setenv("SUPERUSER_USERNAME", "root")
    monkeypatch.setenv("SUPERUSER_EMAIL", "root@example.org")
    monkeypatch.setenv("SUPERUSER_PASSWORD", "correct horse")


def test_the_first_superuser_comes_from_the_environment(superuser_in_environment, client):
    call_command("create_superuser")
    assert client.login(username="root", password="correct horse")
    assert User.objects.get().is_superuser


def test_a_superuser_that_is_there_is_left_alone(superuser_in_environment, monkeypatch):
    call_command("create_superuser")
    monkeypatch.setenv("SUPERUSER_PASSWORD", "another")
    call_command("create_superuser")
    assert User.objects.get().check_password("correct horse")


def test_a_missing_variable_is_named(superuser_in_environment, monkeypatch):
    monkeypatch.delenv("SUPERUSER_PASSWORD")
    with pytest.raises(CommandError, match="Set SUPERUSER_PASSWORD"):
        call_command("create_superuser")


def test_stalled_jobs_can_be_swept_by_hand():
    call_command("retry_stalled_jobs")

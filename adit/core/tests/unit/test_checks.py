"""A production system with unsafe settings does not start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from adit.core.checks import check_production, refuse_unsafe_start


@pytest.fixture(autouse=True)
def safe_production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ENVIRONMENT = "production"
    settings.DEBUG = False
    settings.SECRET_KEY = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghij"
    settings.ALLOWED_HOSTS = ["adit.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://adit.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SESSION_COOKIE_SECURE = True
    settings.CSRF_COOKIE_SECURE = True
    settings.ENCRYPTION_KEYS = ["a key"]
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "a password of its own")


def _ids() -> list[str | None]:
    return [message.id for message in check_production()]


def test_safe_settings_pass():
    assert _ids() == []
    refuse_unsafe_start()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY", "insecure-development-key-do-not-use-in-production", "adit.E001"),
        ("SECRET_KEY", "short", "adit.E001"),
        ("SECRET_KEY", "a" * 60, "adit.E001"),
        ("DEBUG", True, "adit.E002"),
        ("ALLOWED_HOSTS", ["*"], "adit.E003"),
        ("ALLOWED_HOSTS", ["adit.example.org", "*"], "adit.E003"),
        ("ALLOWED_HOSTS", [], "adit.E003"),
        ("SESSION_COOKIE_SECURE", False, "adit.E005"),
        ("CSRF_COOKIE_SECURE", False, "adit.E005"),
        ("CSRF_TRUSTED_ORIGINS", ["http://adit.example.org"], "adit.E006"),
    ],
)
def test_each_unsafe_setting_is_refused(
    settings: Settings, name: str, value: object, expected: str
):
    setattr(settings, name, value)
    assert _ids() == [expected]
    with pytest.raises(ImproperlyConfigured, match=expected):
        refuse_unsafe_start()


def test_plain_http_without_a_proxy_is_refused(settings: Settings):
    settings.SECURE_SSL_REDIRECT = False
    assert _ids() == []
    settings.SECURE_PROXY_SSL_HEADER = None
    assert _ids() == ["adit.E004"]


def test_a_default_database_password_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "postgres")
    assert _ids() == ["adit.E007"]


def test_a_derived_encryption_key_is_a_warning(settings: Settings):
    settings.ENCRYPTION_KEYS = []
    assert _ids() == ["adit.W001"]
    refuse_unsafe_start()


def test_other_environments_are_left_alone(settings: Settings):
    settings.ENVIRONMENT = "development"
    settings.DEBUG = True
    assert _ids() == []


@pytest.mark.parametrize(
    "command", [["manage.py", "check"], ["-c", "import adit.asgi"]], ids=["command", "web"]
)
def test_processes_refuse_to_start(command: list[str]):
    environment = {
        **os.environ,
        "ENVIRONMENT": "production",
        "DJANGO_SETTINGS_MODULE": "adit.settings",
        "DJANGO_SECRET_KEY": "too-short",
        "DJANGO_ALLOWED_HOSTS": "*",
    }
    result = subprocess.run(
        [sys.executable, *command],
        cwd=Path(__file__).resolve().parents[4],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "adit.E001" in result.stderr
    assert "adit.E003" in result.stderr

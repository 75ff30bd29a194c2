"""A receiver with half a configuration does not start."""

import pytest
from pytest_django.fixtures import Settings

from adit.core.receiver_checks import check_receiver


def ids() -> list[str | None]:
    return [message.id for message in check_receiver()]


def test_the_default_settings_pass():
    assert ids() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"STORE_SCP_TLS_REQUIRE_CERTIFICATE": True}, ["adit.E021", "adit.E022"]),
        ({"STORE_SCP_TLS_KEY": "key.pem"}, ["adit.E022"]),
        ({"FILE_TRANSMIT_TLS_KEY": "key.pem"}, ["adit.E022"]),
        ({"STORE_SCP_TLS_CERTIFICATE": "/nowhere.pem"}, ["adit.E023"]),
        ({"FILE_TRANSMIT_TLS_CA": "/nowhere.pem"}, ["adit.E023"]),
        ({"RECEIVER_EXTRA_SENDERS": ["no sender"]}, ["adit.E024"]),
    ],
)
def test_each_mistake_is_named(settings: Settings, changes: dict, expected: list[str]):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert ids() == expected


def test_production_is_warned_of_plain_connections_and_open_doors(settings: Settings):
    settings.ENVIRONMENT = "production"
    settings.FILE_TRANSMIT_HOST = "0.0.0.0"
    settings.RECEIVER_CHECK_CALLER = False
    settings.FILE_TRANSMIT_KEY = settings.SECRET_KEY
    assert ids() == ["adit.W021", "adit.W022", "adit.W023"]

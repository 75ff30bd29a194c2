"""Versions of a profile are compared by what they do."""

import pytest
from django.test import Client

from adit.core.factories import DeidProfileFactory, UserFactory
from adit.core.models import DeidProfile

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def client(db):
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    return client


def test_versions_are_compared_line_by_line(client):
    own, safe = (
        {"tag": "00190001", "private_creator": "M", "action": "clean", "value": "", "reason": "x"},
        {"creator": "M", "group": 0x19, "element": 2, "note": "B value"},
    )
    DeidProfileFactory(
        name="Lung study",
        options=["clean_descriptors"],
        own_rules=[{**own, "vr": "LO"}],
        safe_private=[{**safe, "vr": "IS"}],
    )
    newer = DeidProfileFactory(
        name="Lung study",
        version=2,
        leak_gate=False,
        burned_in="allow",
        options=[],
        own_rules=[{**own, "vr": "DA"}],
        safe_private=[{**safe, "vr": "DS"}],
    )
    DeidProfile.objects.filter(name="Lung study").update(secret="00" * 32)
    response = client.get(f"/profiles/{newer.pk}/compare/")
    assert [(d.what, d.before, d.after) for d in response.context["differences"]] == [
        ("Clean descriptions", "yes", "no"),
        ("Leak gate", "yes", "no"),
        ("Burned-in annotations", "Hold", "Allow"),
        ("Own rule for 00190001 (M)", "Clean as LO: x", "Clean as DA: x"),
        ("Safe private (0019,xx02) M", "IS: B value", "DS: B value"),
    ]
    assert client.get(f"/profiles/{newer.pk}/compare/?with=x").status_code == 404

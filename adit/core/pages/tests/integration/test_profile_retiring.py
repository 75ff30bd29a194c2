"""Who narrows a profile narrows it for new transfers, also when versions are retired."""

import html
import re

import pytest
from django.test import Client

from adit.audit.models import AuditEntry
from adit.core.factories import DeidProfileFactory, UserFactory
from adit.core.models import DeidProfile

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def client(db):
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    return client


def words_of(response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


@pytest.mark.parametrize("retire", ["on its page", "past the page"])
def test_a_version_that_is_retired_does_not_open_an_older_one(client, retire):
    user, other = UserFactory(), UserFactory()
    first = DeidProfileFactory(name="Lung study")
    second = DeidProfileFactory(name="Lung study", version=2)
    second.groups.set([other.active_group])
    offered = [
        DeidProfile.objects.usable_by(one).filter(name="Lung study") for one in (user, other)
    ]
    assert [list(one.all()) for one in offered] == [[], [second]]
    if retire == "on its page":
        url = f"/profiles/{second.pk}/active/"
        page = words_of(client.post(url, {"active": "0"}, follow=True))
        words = f"New transfers get version 1, for {other.active_group}."
        assert words in page
        assert words in AuditEntry.objects.get(action="profile.retire").outcome
    else:
        DeidProfile.objects.filter(pk=second.pk).update(is_active=False)
    assert [list(one.all()) for one in offered] == [[], [first]]
    assert f"was for {other.active_group} only" in words_of(client.get(f"/profiles/{first.pk}/"))
    assert str(other.active_group) in words_of(client.get("/profiles/"))
    # Who opens it, does so where it was closed, or by a version of its own.
    client.post(f"/profiles/{second.pk}/groups/", {"groups": []})
    assert [list(one.all()) for one in offered] == [[first], [first]]


def test_no_group_gets_what_every_version_keeps_from_it(client):
    one, two = UserFactory(), UserFactory()
    versions = [DeidProfileFactory(name="Lung study", version=number) for number in (1, 2)]
    for version, user in zip(versions, (one, two), strict=True):
        version.groups.set([user.active_group])
    page = client.post(f"/profiles/{versions[1].pk}/active/", {"active": "0"}, follow=True)
    assert "No group may use version 1" in words_of(page)
    # So says the page of the version, and where a new one is made.
    shown = words_of(client.get(f"/profiles/{versions[0].pk}/"))
    assert "No group may use version 1, whatever is chosen here." in shown
    assert "So is this one" not in shown
    assert "make a new version of version 2 ." in shown
    for user in (one, two):
        assert not DeidProfile.objects.usable_by(user).filter(name="Lung study").exists()

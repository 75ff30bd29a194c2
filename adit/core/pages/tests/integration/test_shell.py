import pytest
from django.urls import reverse

from adit.core.factories import GroupFactory, UserFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def test_the_log_in_page_names_the_site_and_not_the_host(client, settings):
    settings.SITE_NAME = "Our ADIT"
    html = client.get(reverse("accounts:login")).content.decode()
    assert "Log in to Our ADIT" in html
    assert "testserver" not in html


def test_the_theme_is_rendered_by_the_server_and_remembered(client):
    user = UserFactory()
    client.force_login(user)
    client.post(reverse("accounts:theme"), {"theme": "dark", "next": "/jobs/"})
    assert 'data-bs-theme="dark"' in client.get(reverse("core:home")).content.decode()
    assert client.post(reverse("accounts:theme"), {"theme": "pink"}).status_code == 400


def test_only_an_own_group_becomes_the_active_one(client):
    user = UserFactory()
    own, foreign = GroupFactory(), GroupFactory()
    user.groups.add(own)
    client.force_login(user)
    address = reverse("accounts:active_group")
    assert client.post(address, {"group": foreign.pk}).status_code == 400
    assert client.post(address, {"group": own.pk, "next": "//evil.example"}).url == "/"
    user.refresh_from_db()
    assert user.active_group == own


def test_logging_out_takes_a_post(client):
    client.force_login(UserFactory())
    assert client.get(reverse("accounts:logout")).status_code == 405
    assert client.post(reverse("accounts:logout")).url == reverse("accounts:login")


@pytest.mark.parametrize("group", ["9" * 5000, "-1", "٣", "\x00", ""])
def test_a_group_that_is_none_is_refused_in_words(group, client):
    client.force_login(UserFactory())
    response = client.post(reverse("accounts:active_group"), {"group": group})
    assert response.status_code == 400

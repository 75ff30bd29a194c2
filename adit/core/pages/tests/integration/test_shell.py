import pytest
from django.urls import reverse

from adit.core.factories import GroupFactory, UserFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def directives(response):
    header = response.headers["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


def test_pages_allow_neither_inline_scripts_nor_styles_nor_eval(client):
    client.force_login(UserFactory())
    for name in ("core:home", "core:job_list", "accounts:profile"):
        response = client.get(reverse(name))
        policy = directives(response)
        assert policy["script-src"] == policy["style-src"] == "'self'"
        html = response.content.decode()
        assert "<style" not in html
        assert " style=" not in html
        assert "<script>" not in html


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


def test_an_unknown_address_has_a_page_of_our_own(client):
    client.force_login(UserFactory())
    response = client.get("/no-such-page/")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import reverse

from adit.core.factories import DicomServerFactory, UserFactory
from adit.core.models import DicomServer

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def superuser(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda m: m._meta.label)
def test_every_list_of_the_admin_opens_and_searches(model, client, superuser):
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert client.get(url).status_code == 200
    assert client.get(url, {"q": "1"}).status_code == 200


def test_the_authorization_header_is_encrypted_and_never_shown_again(client, superuser):
    server = DicomServerFactory(dicomweb_authorization="Bearer s3cret-t0ken")
    url = reverse("admin:core_dicomserver_change", args=[server.pk])
    assert "s3cret" not in client.get(url).content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT dicomweb_authorization FROM core_dicomserver")
        (stored,) = cursor.fetchall()
    assert "s3cret" not in stored[0]
    assert DicomServer.objects.get().dicomweb_authorization == "Bearer s3cret-t0ken"

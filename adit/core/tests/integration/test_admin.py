import pytest
from django.contrib import admin
from django.db import connection
from django.forms.models import model_to_dict
from django.urls import reverse

from adit.core.admin import DicomServerForm
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


def form_of(server, **changes):
    data = {key: "" if value is None else value for key, value in model_to_dict(server).items()}
    return DicomServerForm({**data, **changes}, instance=server)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("max_search_results", 1, 0),
        ("connect_timeout", 1, 0),
        ("acse_timeout", 1, 0),
        ("network_timeout", 1, 0),
        ("progress_timeout", 1, 0),
        ("character_set_fallback", "ISO_IR 192", "FOO"),
        ("dicomweb_authorization", "Bearer a-b_c.d/e+f=", "Bearer sécret"),
        ("dicomweb_authorization", "-", "Bearer s3cret\nX-Other: 1"),
    ],
)
def test_a_server_takes_no_value_that_it_cannot_be_called_with(field, good, bad):
    server = DicomServerFactory()
    assert field not in form_of(server, **{field: good}).errors
    errors = form_of(server, **{field: bad}).errors
    assert field in errors
    assert "cret" not in str(errors)


def test_an_authorization_that_was_stored_earlier_fails_in_the_test_and_nowhere_else(
    client, superuser
):
    server = DicomServerFactory(
        dicomweb_root_url="http://127.0.0.1:1/dicom-web",
        dicomweb_qido_support=True,
        dicomweb_authorization="Bearer sécret",
        port=1,
    )
    url = reverse("admin:core_dicomserver_test_connection", args=[server.pk])
    answer = client.post(url)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "authorization header" in page
    assert "sécret" not in page

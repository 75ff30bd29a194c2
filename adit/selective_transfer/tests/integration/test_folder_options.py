"""Archive and NIfTI in the form."""

import logging

import pytest

from adit.core.factories import DicomServerFactory, grant_access
from adit.core.models import JobArchive
from adit.selective_transfer.models import SelectiveTransferJob
from adit.selective_transfer.tests.integration.test_view import (  # noqa: F401
    URL,
    client,
    errors,
    fields,
    found,
    user,
)

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

TYPED = "a typed pass phrase 42"


@pytest.fixture
def post(client, found, fields, user):  # noqa: F811
    def do(**more):
        return client.post(URL, fields(found["1002"], "PSEUDO1", user=user, **more))

    return do


@pytest.fixture
def server(user):  # noqa: F811
    server = DicomServerFactory(name="PACS")
    grant_access(user.active_group, server, destination=True)
    return server


def test_a_strong_password_is_made_and_shown_once(post, client):  # noqa: F811
    response = post(archive="on")
    assert response.status_code == 201
    password = response.context["password"]
    assert len(password) >= 25
    assert password in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    job = SelectiveTransferJob.objects.get()
    assert JobArchive.objects.get(job=job).password == password
    assert response["Location"] == job.get_absolute_url()
    for url in (URL, job.get_absolute_url(), f"{job.get_absolute_url()}receipt/"):
        assert password not in client.get(url).content.decode()


def test_a_typed_password_is_taken(post):
    assert post(archive="on", archive_password=TYPED).status_code == 201
    assert JobArchive.objects.get().password == TYPED


def test_without_the_tick_a_password_means_nothing(post):
    assert post(archive_password=TYPED).status_code == 302
    assert not JobArchive.objects.exists()


def test_a_weak_password_is_refused_and_not_sent_back(post):
    response = post(archive="on", archive_password="tooshort1")
    assert "12 to 128 characters" in errors(response)
    assert "tooshort1" not in response.content.decode()
    assert not SelectiveTransferJob.objects.exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("archive", "An archive can only be written to a folder"),
        ("convert_to_nifti", "NIfTI files can only be written to a folder"),
    ],
)
def test_a_server_is_refused(option, words, post, server):
    assert words in errors(post(destination=server.pk, **{option: "on"}))
    assert not SelectiveTransferJob.objects.exists()


def test_nifti_is_noted_in_the_job(post):
    assert post(convert_to_nifti="on").status_code == 302
    assert SelectiveTransferJob.objects.get().convert_to_nifti


def test_the_flags_are_remembered_and_the_password_is_not(post, user):  # noqa: F811
    post(archive="on", convert_to_nifti="on", archive_password=TYPED)
    user.refresh_from_db()
    kept = user.preferences["selective_transfer"]
    assert (kept["archive"], kept["convert_to_nifti"]) == (True, True)
    assert TYPED not in str(user.preferences)


def test_the_basket_says_what_will_come(client, found, fields, user):  # noqa: F811
    data = fields(found["1002"], "PSEUDO1", user=user, archive="on", convert_to_nifti="on")
    text = client.post(f"{URL}basket/", data).content.decode()
    assert "One encrypted 7z archive with the NIfTI files of 1 study at Research." in text


def test_the_password_is_in_no_log(post, caplog):
    with caplog.at_level(logging.DEBUG):
        post(archive="on", archive_password=TYPED)
    assert TYPED not in caplog.text

import pytest
from django.test import Client

from adit.audit.models import AuditEntry
from adit.core.models import DicomTask, SeriesTransfer
from adit.core.models.records import (
    InstanceRecord,
    InstanceState,
    decode_records,
    encode_records,
)

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

FINDING = "patient_name in (0020,4000) ImageComments"


def held(uid):
    return InstanceRecord(uid, InstanceState.HELD, reason="Held: …", findings=(FINDING,))


@pytest.fixture
def row(owner, make_job):
    """A series with two held instances of three, of a task that has ended."""
    task = make_job(owner, "WARNING", ["WARNING"]).tasks.get()
    records = [
        InstanceRecord("1.2.3.1", InstanceState.CONFIRMED, "2.25.1", 5, "aa" * 32),
        held("1.2.3.2"),
        held("1.2.3.3"),
    ]
    return SeriesTransfer.objects.create(
        task=task,
        series_instance_uid="1.2.3",
        series_number=4,
        modality="CT",
        state="WARNING",
        expected=3,
        confirmed=1,
        held=2,
        instances=encode_records(records),
    )


@pytest.fixture
def client(staff):
    client = Client()
    client.force_login(staff)
    return client


def keys_of(client, row):
    (group,) = client.get(f"/held/{row.pk}/").context["groups"]
    return [instance.key for instance in group.instances]


def test_staff_sees_what_is_held_over_all_tasks(client, row):
    page = client.get("/held/")
    content = page.content.decode()
    assert page.context["number"] == 2
    assert "(0020,4000) ImageComments: a part of the patient&#x27;s name" in content
    assert "2 instances are held" in client.get("/").content.decode()
    part = client.get(f"/held/task/{row.task_id}/").content.decode()
    assert "2 held" in part
    for uid in ("1.2.3.1", "1.2.3.2"):
        assert uid not in content + part


def test_an_empty_list_says_so(client):
    assert "Nothing is held." in client.get("/held/").content.decode()


def test_released_instances_wait_for_the_task_to_run_again(client, row, staff):
    data = {"key": keys_of(client, row), "finding": [FINDING]}
    response = client.post(f"/held/{row.pk}/release/", data)
    assert response.headers["Location"] == "/held/"
    assert DicomTask.objects.get(pk=row.task_id).state == "PENDING"
    row.refresh_from_db()
    records = decode_records(row.instances)[1:]
    assert {record.state for record in records} == {InstanceState.EXPECTED}
    assert {record.accepted for record in records} == {(FINDING,)}
    entry = AuditEntry.objects.get(action="held.release")
    assert (entry.username, entry.outcome) == (staff.username, "2 held instances released")


def test_discarded_instances_are_excluded_with_the_reason(client, row, owner):
    data = {"key": keys_of(client, row), "finding": [FINDING]}
    client.post(f"/held/{row.pk}/discard/", data)
    row.refresh_from_db()
    assert (row.held, row.discarded, row.excluded) == (0, 2, 2)
    assert AuditEntry.objects.filter(action="held.discard").exists()
    reader = Client()
    reader.force_login(owner)
    receipt = reader.get(f"/tasks/{row.task_id}/receipt/").content.decode()
    assert "2 excluded (2 discarded by staff)" in receipt
    listed = reader.get(f"/tasks/{row.task_id}/receipt.json").json()["series"][0]["instances"]
    assert [one["reason"] for one in listed[1:]] == ["discarded by staff"] * 2


def test_what_does_not_fit_any_more_is_answered_in_words(client, row):
    keys = keys_of(client, row)
    url = f"/held/{row.pk}/release/"
    other = client.post(url, {"key": keys, "finding": ["birth_date in (0010,0030) X"]})
    assert other.status_code == 409
    assert "not what the page showed" in other.content.decode()
    assert client.post(url, {"finding": [FINDING]}).status_code == 409
    client.post(url, {"key": keys, "finding": [FINDING]})
    again = client.post(url, {"key": keys, "finding": [FINDING]})
    assert again.status_code == 409
    assert "working or waiting" in again.content.decode()
    assert client.post(f"/held/{row.pk}/keep/").status_code == 404
    assert client.post("/held/99999/release/", {"key": keys}).status_code == 404
    for page in ("look", "download/instance"):
        assert client.post(f"/held/{row.pk}/{page}/", {"key": "unknown"}).status_code == 409
    assert client.post(f"/held/{row.pk}/download/other/", {"key": keys[0]}).status_code == 404


def test_a_look_without_profile_says_why_not(client, row):
    page = client.post(f"/held/{row.pk}/look/", {"key": keys_of(client, row)[0]})
    assert "The task de-identifies nothing." in page.content.decode()


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("get", "/held/"),
        ("get", "/held/{row}/"),
        ("get", "/held/task/{task}/"),
        ("post", "/held/{row}/look/"),
        ("post", "/held/{row}/download/instance/"),
        ("post", "/held/{row}/download/document/"),
        ("post", "/held/{row}/release/"),
        ("post", "/held/{row}/discard/"),
    ],
)
def test_only_staff_gets_in(method, url, row, owner, stranger):
    url = url.format(row=row.pk, task=row.task_id)
    client = Client()
    assert getattr(client, method)(url).headers["Location"].startswith("/accounts/login/")
    for user in (owner, stranger):
        client.force_login(user)
        assert getattr(client, method)(url).status_code == 403
    row.refresh_from_db()
    assert row.held == 2


def test_the_owner_reads_in_the_receipt_that_something_is_held(row, owner):
    client = Client()
    client.force_login(owner)
    content = client.get(f"/tasks/{row.task_id}/receipt/?instances=1").content.decode()
    assert "2 held for staff to decide" in content

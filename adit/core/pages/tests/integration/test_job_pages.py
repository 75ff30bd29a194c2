import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from adit.core.models import DicomJob, SeriesTransfer
from adit.core.transfer.records import InstanceRecord, InstanceState, encode_records

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

STATES = {
    "UNVERIFIED": ["PENDING"],
    "PENDING": ["PENDING"],
    "IN_PROGRESS": ["IN_PROGRESS", "PENDING", "SUCCESS"],
    "CANCELING": ["IN_PROGRESS", "CANCELED"],
    "CANCELED": ["CANCELED"],
    "SUCCESS": ["SUCCESS"],
    "WARNING": ["SUCCESS", "WARNING"],
    "FAILURE": ["WARNING", "FAILURE"],
}
# The actions that each state offers to the owner and to staff.
ACTIONS = {
    "UNVERIFIED": ({"delete"}, {"delete", "verify"}),
    "PENDING": ({"cancel", "delete"}, {"cancel", "delete"}),
    "IN_PROGRESS": ({"cancel"}, {"cancel"}),
    "CANCELING": (set(), set()),
    "CANCELED": ({"resume"}, {"resume", "restart"}),
    "SUCCESS": (set(), {"restart"}),
    "WARNING": ({"retry"}, {"retry", "restart"}),
    "FAILURE": ({"retry"}, {"retry", "restart"}),
}


@pytest.mark.parametrize("state", STATES)
def test_the_page_of_a_job_in_every_state_offers_the_actions_that_fit(
    state, client, owner, staff, make_job
):
    job_state = state if state in ("UNVERIFIED", "CANCELING") else "PENDING"
    job = make_job(owner, *STATES[state], job_state=job_state)
    assert job.state == state
    for user, expected in zip((owner, staff), ACTIONS[state], strict=True):
        client.force_login(user)
        response = client.get(reverse("core:job_detail", args=[job.pk]))
        assert response.status_code == 200
        assert {action.name for action in response.context["actions"]} == expected
        live = client.get(reverse("core:job_live", args=[job.pk]))
        for name in expected:
            assert f'id="action-{name}"' in live.content.decode()


@pytest.fixture
def addresses(owner, make_job):
    job = make_job(owner, "SUCCESS")
    task = job.tasks.get()
    return [
        *(
            reverse(f"core:{name}", args=[job.pk])
            for name in ("job_detail", "job_live", "job_receipt", "job_receipt_json")
        ),
        *(
            reverse(f"core:{name}", args=[task.pk])
            for name in ("task_detail", "task_live", "task_receipt", "task_receipt_json")
        ),
    ]


def test_owner_and_staff_see_a_job_and_nobody_else_learns_that_it_exists(
    client, owner, staff, make_user, addresses
):
    for user, status in ((owner, 200), (staff, 200), (make_user(), 404)):
        client.force_login(user)
        assert {client.get(address).status_code for address in addresses} == {status}


def test_visitors_are_sent_to_the_log_in_page(client, addresses):
    for address in addresses:
        assert client.get(address).url.startswith(reverse("accounts:login"))


def test_an_action_that_does_not_fit_the_state_is_a_conflict_in_words(client, owner, make_job):
    job = make_job(owner, "SUCCESS")
    client.force_login(owner)
    address = reverse("core:job_action", args=[job.pk, "cancel"])
    page = client.post(address)
    assert page.status_code == 409
    assert f"Cannot cancel job {job.pk}: it is success." in page.content.decode()
    part = client.post(address, headers={"HX-Request": "true"})
    assert part.status_code == 409
    assert "it is success" in part.headers["HX-Trigger"]


def test_a_plain_form_cancels_and_returns_to_the_job(client, owner, make_job):
    job = make_job(owner, "PENDING")
    client.force_login(owner)
    response = client.post(reverse("core:job_action", args=[job.pk, "cancel"]), follow=True)
    assert "Canceled 1 waiting tasks" in response.content.decode()
    job.refresh_from_db()
    assert job.state == DicomJob.State.CANCELED


def test_somebody_elses_job_cannot_be_canceled(client, owner, make_user, make_job):
    job = make_job(owner, "PENDING")
    client.force_login(make_user())
    assert client.post(reverse("core:job_action", args=[job.pk, "cancel"])).status_code == 404
    job.refresh_from_db()
    assert job.state == DicomJob.State.PENDING


def test_a_patient_id_is_searched_by_post_and_never_taken_from_the_address(client, owner, make_job):
    job = make_job(owner, "SUCCESS", "SUCCESS", "FAILURE")
    client.force_login(owner)
    address = reverse("core:job_detail", args=[job.pk])
    found = client.post(address, {"search": "pat2"}).context["page"]
    assert [task.line for task in found] == [2]
    assert len(client.get(address, {"search": "pat2"}).context["page"].object_list) == 3


def test_odd_parameters_are_ignored(client, owner, make_job):
    job = make_job(owner, "SUCCESS")
    client.force_login(owner)
    odd = {"state": "NOPE", "sort": "owner__password", "page": "-3", "kind": "x", "tasks": "1,x,²"}
    for address in (
        reverse("core:job_list"),
        reverse("core:job_detail", args=[job.pk]),
        reverse("core:job_live", args=[job.pk]),
    ):
        assert client.get(address, odd).status_code == 200


def test_a_large_job_takes_no_more_queries_than_a_small_one(client, owner, make_job):
    client.force_login(owner)
    counts = []
    for number in (2, 200):
        job = make_job(owner, *["PENDING"] * number)
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("core:job_detail", args=[job.pk]))
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.fixture
def pseudonymised(owner, make_job):
    job = make_job(owner, "SUCCESS", pseudonym="PSEUDO1")
    record = InstanceRecord("1.2.3.source", InstanceState.CONFIRMED, "2.25.7", 10, "ab" * 32)
    SeriesTransfer.objects.create(
        task=job.tasks.get(),
        series_instance_uid="1.2.3.series",
        new_series_instance_uid="2.25.8",
        description="Name in free text",
        expected=1,
        confirmed=1,
        instances=encode_records([record]),
    )
    return job


@pytest.mark.parametrize("permitted", [False, True])
def test_a_receipt_shows_source_identifiers_of_pseudonymised_data_only_with_permission(
    permitted, client, make_user, pseudonymised
):
    reader = make_user(*["view_identifiers_in_receipts"] * permitted)
    DicomJob.objects.filter(pk=pseudonymised.pk).update(owner=reader)
    client.force_login(reader)
    task = pseudonymised.tasks.get()
    for name, args in (("task_receipt", "?instances=1"), ("task_receipt_json", "")):
        text = client.get(reverse(f"core:{name}", args=[task.pk]) + args).content.decode()
        assert "1 of 1 instance confirmed at DESTINATION" in text
        assert "2.25.7" in text
        for secret in ("1.2.3.source", "Name in free text", "PAT1"):
            assert (secret in text) == permitted
        assert permitted or "1.2.3.series" not in text


def test_the_log_of_a_run_is_for_staff_only(client, owner, staff, make_job):
    job = make_job(owner, "FAILURE", log="raw log line")
    address = reverse("core:task_detail", args=[job.tasks.get().pk])
    for user, shown in ((owner, False), (staff, True)):
        client.force_login(user)
        assert ("raw log line" in client.get(address).content.decode()) == shown

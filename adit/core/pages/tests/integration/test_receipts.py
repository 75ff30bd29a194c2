import pytest
from django.test import Client
from django.urls import reverse

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def task(owner, make_job, make_ledger):
    task = make_job(owner, "SUCCESS", ["SUCCESS"]).tasks.get()
    make_ledger(task)
    return task


def get(user, name, *args, query=""):
    client = Client()
    client.force_login(user)
    return client.get(reverse(f"core:{name}", args=args) + query)


def test_a_receipt_states_what_arrived(owner, task):
    response = get(owner, "task_receipt", task.pk)
    destination = response.context["receipt"].destination
    assert (
        f'data-testid="receipt-statement">2 of 2 instances confirmed at {destination}, 1 excluded<'
    ) in response.content.decode()
    assert "2 of 2 instances" in get(owner, "job_receipt", task.job_id).content.decode()


def test_a_receipt_lists_instances_without_source_identifiers(owner, task):
    text = get(owner, "task_receipt", task.pk, query="?instances=1").content.decode()
    assert "2.25.1" in text
    for source in ("1.2.3.1", "PID1", "Description of the source"):
        assert source not in text


def test_a_receipt_without_pseudonym_shows_the_source(owner, make_job, make_ledger):
    task = make_job(owner, "SUCCESS", ["SUCCESS"], pseudonym="").tasks.get()
    make_ledger(task)
    text = get(owner, "task_receipt", task.pk, query="?instances=1").content.decode()
    assert "1.2.3.1" in text
    assert "PID1" in text


def test_a_receipt_is_downloaded_as_json(owner, task):
    response = get(owner, "task_receipt_json", task.pk)
    assert "attachment" in response["Content-Disposition"]
    content = response.json()
    assert content["complete"] is True
    states = [entry["state"] for entry in content["series"][0]["instances"]]
    assert states == ["confirmed", "confirmed", "excluded"]
    assert get(owner, "job_receipt_json", task.job_id).json()["totals"]["series"] == 1


def test_nothing_counted_is_not_complete(owner, make_job):
    task = make_job(owner).tasks.get()
    for name, pk in (("task_receipt", task.pk), ("job_receipt", task.job_id)):
        text = get(owner, name, pk).content.decode()
        assert "Nothing is known of any instance yet" in text
        assert "statement-complete" not in text


def test_a_job_with_a_task_that_found_nothing_is_not_complete(owner, make_job, make_ledger):
    job = make_job(owner, "FAILURE", ["SUCCESS", "FAILURE"])
    make_ledger(job.tasks.order_by("line").first())
    content = get(owner, "job_receipt_json", job.pk).json()
    assert content["complete"] is False
    assert content["statement"].endswith("and 1 task with nothing to confirm")

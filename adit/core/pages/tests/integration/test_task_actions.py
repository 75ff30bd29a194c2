"""Actions on one task and on many, by page."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from adit.core.models import DicomTask

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

HTMX = {"HX-Request": "true"}


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def act(user, task, name, headers=None):
    return client_of(user).post(
        reverse("core:task_action", args=[task.pk, name]), headers=headers or {}
    )


def bulk(user, job, name, data, headers=HTMX):
    return client_of(user).post(
        reverse("core:bulk_action", args=[job.pk, name]), data, headers=headers
    )


def toast(response):
    return json.loads(response["HX-Trigger"])["adit:toast"]


BUTTONS = {
    "PENDING": ({"delete"}, {"delete"}),
    "IN_PROGRESS": (set(), {"kill"}),
    "CANCELED": ({"reset"}, {"reset"}),
    "SUCCESS": ({"reset"}, {"reset"}),
    "WARNING": ({"reset"}, {"reset"}),
    "FAILURE": ({"reset"}, {"reset"}),
}


@pytest.mark.parametrize("state", DicomTask.State.values)
def test_a_task_offers_what_fits_its_state_and_the_user(owner, staff, make_job, state):
    task = make_job(owner, "IN_PROGRESS", [state, "SUCCESS"]).tasks.get(line=1)
    for user, expected in zip((owner, staff), BUTTONS[state], strict=True):
        text = client_of(user).get(task.get_absolute_url()).content.decode()
        offered = {name for name in ("reset", "kill", "delete") if f'id="action-{name}"' in text}
        assert offered == expected


def test_a_task_is_reset_and_the_page_brought_up_to_date(owner, make_job):
    task = make_job(owner, "FAILURE", ["FAILURE"]).tasks.get()
    response = act(owner, task, "reset", HTMX)
    assert response.status_code == 200
    assert 'data-state="PENDING"' in response.content.decode()
    assert toast(response)["text"].startswith(f"Task 1 of job {task.job_id} is reset")


def test_a_stale_page_is_told_the_state_and_brought_up_to_date(owner, make_job):
    task = make_job(owner, "SUCCESS", ["SUCCESS"]).tasks.get()
    response = act(owner, task, "delete", HTMX)
    assert response.status_code == 409
    assert toast(response)["text"] == (
        f"Cannot delete task 1 of job {task.job_id}: it has succeeded."
    )
    assert 'id="task-live"' in response.content.decode()
    plain = act(owner, task, "delete")
    assert plain.status_code == 409
    assert "it has succeeded" in plain.content.decode()


def test_after_its_deletion_the_job_is_shown(owner, make_job):
    job = make_job(owner, tasks=["PENDING", "PENDING"])
    response = act(owner, job.tasks.first(), "delete", HTMX)
    assert response["HX-Redirect"] == reverse("core:job_detail", args=[job.pk])
    assert job.tasks.count() == 1


def test_the_last_task_stays_and_the_reason_is_told(owner, make_job):
    response = act(owner, make_job(owner).tasks.get(), "delete", HTMX)
    assert response.status_code == 409
    assert "it is the last task of its job" in toast(response)["text"]


def test_only_staff_kills(owner, staff, make_job):
    task = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS"]).tasks.get()
    assert act(owner, task, "kill").status_code == 403
    assert act(staff, task, "kill", HTMX).status_code == 200
    task.refresh_from_db()
    assert task.state == "FAILURE"


def test_tasks_of_somebody_else_do_not_exist(owner, stranger, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE"])
    task = job.tasks.get()
    assert act(stranger, task, "reset").status_code == 404
    assert bulk(stranger, job, "reset", {"task": task.pk}).status_code == 404
    assert act(owner, task, "explode").status_code == 404
    assert bulk(owner, job, "explode", {"task": task.pk}).status_code == 404


def test_selected_tasks_are_changed_and_the_refused_ones_counted(owner, make_job):
    job = make_job(owner, "IN_PROGRESS", ["FAILURE", "SUCCESS", "PENDING", "FAILURE"])
    one, two, three, four = job.tasks.order_by("line")
    response = bulk(owner, job, "reset", {"task": [f"{one.pk},{two.pk}", str(three.pk)]})
    assert response.status_code == 200
    assert toast(response)["text"] == ("2 tasks are reset. 1 task is not: it is pending.")
    assert 'id="tasks"' in response.content.decode()
    four.refresh_from_db()
    assert four.state == "FAILURE"


def test_all_that_fit_the_filter_are_changed(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE"] * 60 + ["SUCCESS"] * 2)
    data = {"every": "1", "state": "FAILURE"}
    assert bulk(owner, job, "reset", data).status_code == 200
    assert job.tasks.filter(state="PENDING").count() == 60
    assert job.tasks.filter(state="SUCCESS").count() == 2


def test_all_that_fit_the_search_are_changed(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE"] * 12)
    bulk(owner, job, "reset", {"every": "1", "search": "PID12"})
    assert list(job.tasks.filter(state="PENDING").values_list("line", flat=True)) == [12]


def test_where_nothing_fits_the_answer_is_409_with_the_reasons(owner, make_job):
    job = make_job(owner, "IN_PROGRESS", ["PENDING", "IN_PROGRESS"])
    ids = ",".join(str(task.pk) for task in job.tasks.all())
    response = bulk(owner, job, "reset", {"task": ids})
    assert response.status_code == 409
    text = toast(response)["text"]
    assert "For 1: it is pending." in text
    assert "For 1: it is in progress." in text
    assert bulk(owner, job, "reset", {}).status_code == 409


def test_a_selection_never_reaches_into_other_jobs(owner, make_job):
    job, other = make_job(owner, "FAILURE", ["FAILURE"]), make_job(owner, "FAILURE", ["FAILURE"])
    response = bulk(owner, job, "reset", {"task": other.tasks.get().pk})
    assert response.status_code == 409
    assert other.tasks.get().state == "FAILURE"


def test_retry_asks_whether_warned_tasks_are_meant_too(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE", "WARNING"])
    client = client_of(owner)
    text = client.get(job.get_absolute_url()).content.decode()
    assert 'name="warned"' in text
    assert 'id="action-retry_warned"' not in text
    client.post(reverse("core:job_action", args=[job.pk, "retry"]), {"warned": "1"})
    assert set(job.tasks.values_list("state", flat=True)) == {"PENDING"}
    job = make_job(owner, "FAILURE", ["FAILURE", "WARNING"])
    client.post(reverse("core:job_action", args=[job.pk, "retry"]))
    assert set(job.tasks.values_list("state", flat=True)) == {"PENDING", "WARNING"}


def test_the_page_of_a_task_tells_what_was_done_to_its_job(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE", "FAILURE"])
    first, second = job.tasks.order_by("line")
    assert act(owner, first, "reset", HTMX).status_code == 200
    client_of(owner).post(reverse("core:job_action", args=[job.pk, "cancel"]), headers=HTMX)
    pages = [client_of(owner).get(t.get_absolute_url()).content.decode() for t in (first, second)]
    assert all(f"Canceled by {owner.username}." in text for text in pages)
    assert [f"Reset by {owner.username}." in text for text in pages] == [True, False]

import re

import pytest
from django.test import Client
from django.urls import reverse

from adit.core.models import DicomJob, DicomTask
from adit.core.pages.errors import permission_denied

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

TASK_STATES = {
    "UNVERIFIED": ["PENDING"],
    "PENDING": ["PENDING"],
    "IN_PROGRESS": ["SUCCESS", "IN_PROGRESS", "PENDING"],
    "CANCELING": ["CANCELED", "IN_PROGRESS"],
    "CANCELED": ["CANCELED"],
    "SUCCESS": ["SUCCESS"],
    "WARNING": ["SUCCESS", "WARNING"],
    "FAILURE": ["FAILURE"],
}


def text_of(response):
    return response.content.decode()


def page(user, name, *args, query=""):
    client = Client()
    client.force_login(user)
    return client.get(reverse(f"core:{name}", args=args) + query)


@pytest.mark.parametrize("state", DicomJob.State.values)
def test_a_job_has_a_page_in_every_state(owner, make_job, state):
    job = make_job(owner, state, TASK_STATES[state])
    response = page(owner, "job_detail", job.pk)
    assert response.status_code == 200
    text = text_of(response)
    assert f'data-state="{state}"' in text
    for hook in ('id="job-live"', 'id="job-actions"', 'data-testid="instances-done"'):
        assert hook in text
    for task in job.tasks.all():
        assert f'id="task-{task.pk}"' in text


@pytest.mark.parametrize("state", DicomTask.State.values)
def test_a_task_has_a_page_and_a_receipt_in_every_state(owner, make_job, make_ledger, state):
    task = make_job(owner, "IN_PROGRESS", [state]).tasks.get()
    make_ledger(task)
    text = text_of(page(owner, "task_detail", task.pk))
    assert f'data-state="{state}"' in text
    assert "PID1" in text
    assert page(owner, "task_receipt", task.pk).status_code == 200


@pytest.mark.parametrize("name", ["home", "job_list"])
def test_lists_show_own_jobs_only(owner, stranger, make_job, name):
    make_job(owner, "SUCCESS", ["SUCCESS"])
    running = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS"])
    link = f'href="{running.get_absolute_url()}"'
    assert link in text_of(page(owner, name))
    assert link not in text_of(page(stranger, name))


def test_staff_sees_all_jobs_with_their_owners(owner, staff, make_job):
    job = make_job(owner)
    text = text_of(page(staff, "job_list"))
    assert f'id="job-{job.pk}"' in text
    assert owner.username in text


@pytest.mark.parametrize("sort", ["id", "kind", "-state", "owner", "nonsense"])
def test_the_list_sorts_by_known_columns(staff, owner, make_job, sort):
    make_job(owner)
    assert page(staff, "job_list", query=f"?sort={sort}").status_code == 200


@pytest.mark.parametrize("name", ["job_detail", "job_live", "job_receipt", "job_receipt_json"])
def test_a_job_of_somebody_else_does_not_exist(owner, stranger, make_job, name):
    job = make_job(owner)
    assert page(stranger, name, job.pk).status_code == 404
    assert page(owner, name, job.pk).status_code == 200


@pytest.mark.parametrize("name", ["task_detail", "task_live", "task_receipt", "task_receipt_json"])
def test_a_task_of_somebody_else_does_not_exist(owner, stranger, make_job, name):
    task = make_job(owner).tasks.get()
    assert page(stranger, name, task.pk).status_code == 404
    assert page(owner, name, task.pk).status_code == 200


def test_the_raw_log_is_for_staff(owner, staff, make_job):
    task = make_job(owner).tasks.get()
    assert "secret log line" not in text_of(page(owner, "task_detail", task.pk))
    assert "secret log line" in text_of(page(staff, "task_detail", task.pk))


def test_tasks_are_searched_by_post(owner, make_job):
    job = make_job(owner, tasks=["PENDING", "PENDING"])
    first, second = job.tasks.all()
    client = Client()
    client.force_login(owner)
    response = client.post(
        reverse("core:job_detail", args=[job.pk]),
        {"search": "PID2"},
        headers={"HX-Request": "true", "HX-Target": "tasks"},
    )
    text = text_of(response)
    assert text.strip().startswith('<div id="tasks">')
    assert f'id="task-{second.pk}"' in text
    assert f'id="task-{first.pk}"' not in text


def test_a_poll_brings_the_parts_of_the_page(owner, make_job):
    job = make_job(owner)
    task = job.tasks.get()
    text = text_of(page(owner, "job_live", job.pk, query=f"?tasks={task.pk}"))
    assert text.count('hx-swap-oob="true"') == 6
    assert re.search(rf'<template><tr id="task-{task.pk}"', text)
    assert 'id="home-jobs"' in text_of(page(owner, "home_live"))
    rows = text_of(page(owner, "job_list_live", query=f"?jobs={job.pk}"))
    assert f'<tr id="job-{job.pk}"' in rows


def test_pages_allow_no_inline_script_or_style(owner, make_job):
    job = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS"])
    for url in (job.get_absolute_url(), job.tasks.get().get_absolute_url(), "/", "/jobs/"):
        client = Client()
        client.force_login(owner)
        response = client.get(url)
        policy = response["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        text = text_of(response)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", text)


@pytest.mark.parametrize("code", [400, 403, 404])
def test_errors_have_pages_of_their_own(owner, rf, code):
    client = Client()
    client.force_login(owner)
    if code == 400:
        response = client.post(reverse("accounts:theme"), {"theme": "pink"})
    elif code == 404:
        response = client.get("/no-such-page/")
    else:
        request = rf.get("/")
        request.user = owner
        response = permission_denied(request)
        assert "mailto:" in text_of(response)
    assert response.status_code == code
    assert f"Error {code}" in text_of(response)


def test_a_form_without_token_is_refused_with_a_page(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post(reverse("accounts:theme"), {"theme": "dark"})
    assert response.status_code == 403
    assert "The form was too old" in text_of(response)


def test_an_unexpected_error_has_a_page(owner, monkeypatch):
    def fail(*args):
        raise RuntimeError

    monkeypatch.setattr("adit.core.pages.jobs.home_context", fail)
    client = Client(raise_request_exception=False)
    client.force_login(owner)
    response = client.get("/")
    assert response.status_code == 500
    assert "Error 500" in text_of(response)


def test_the_page_of_a_large_job_asks_no_more_queries(
    owner, make_job, django_assert_max_num_queries
):
    job = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS"] * 5 + ["PENDING"] * 60)
    client = Client()
    client.force_login(owner)
    with django_assert_max_num_queries(15):
        client.get(job.get_absolute_url())


@pytest.mark.parametrize("search", ["\x00", "9" * 500, "%_\\", "\u202e"])
def test_odd_searches_find_nothing_and_harm_nothing(search, owner, make_job):
    job = make_job(owner)
    client = Client()
    client.force_login(owner)
    response = client.post(reverse("core:job_detail", args=[job.pk]), {"search": search})
    assert response.status_code == 200

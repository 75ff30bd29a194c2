import json

import pytest
from django.test import Client
from django.urls import reverse

from adit.core.jobs.actions import delete_job
from adit.core.models import DicomJob, DicomTask

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

HTMX = {"HX-Request": "true"}


def act(user, job, name, headers=None):
    client = Client()
    client.force_login(user)
    return client.post(reverse("core:job_action", args=[job.pk, name]), headers=headers or {})


def toast(response):
    return json.loads(response["HX-Trigger"])["adit:toast"]


def test_an_action_is_offered_with_a_dialog(owner, make_job):
    job = make_job(owner)
    client = Client()
    client.force_login(owner)
    text = client.get(job.get_absolute_url()).content.decode()
    assert 'data-dialog="dialog-cancel"' in text
    assert '<dialog id="dialog-cancel" aria-labelledby="dialog-cancel-title">' in text
    assert reverse("core:job_action", args=[job.pk, "cancel"]) in text


def test_an_action_changes_the_job_and_brings_its_new_state(owner, make_job):
    job = make_job(owner)
    response = act(owner, job, "cancel", HTMX)
    assert response.status_code == 200
    assert 'data-state="CANCELED"' in response.content.decode()
    assert toast(response)["level"] == "success"
    assert DicomJob.objects.get(pk=job.pk).state == "CANCELED"


def test_an_action_that_does_not_fit_answers_409_in_words(owner, make_job):
    job = make_job(owner, "SUCCESS", ["SUCCESS"])
    response = act(owner, job, "cancel")
    assert response.status_code == 409
    assert f"Cannot cancel job {job.pk}: it has succeeded." in response.content.decode()
    response = act(owner, job, "cancel", HTMX)
    assert response.status_code == 409
    assert "it has succeeded" in toast(response)["text"]


def test_an_action_of_staff_is_refused_to_others(owner, make_job):
    job = make_job(owner, "UNVERIFIED")
    response = act(owner, job, "verify")
    assert response.status_code == 403
    assert "You may not verify this job." in response.content.decode()
    assert act(owner, job, "verify", HTMX).status_code == 403


def test_a_job_of_somebody_else_cannot_be_changed(owner, stranger, make_job):
    job = make_job(owner)
    assert act(stranger, job, "cancel").status_code == 404
    assert DicomJob.objects.get(pk=job.pk).state == "PENDING"


def test_there_are_no_unknown_actions(owner, make_job):
    assert act(owner, make_job(owner), "explode").status_code == 404


def test_after_deletion_the_list_of_jobs_is_shown(owner, make_job):
    response = act(owner, make_job(owner), "delete", HTMX)
    assert response["HX-Redirect"] == reverse("core:job_list")
    assert not DicomJob.objects.exists()


def gone(job):
    """The addresses at which a page of a job that is gone may ask for something."""
    task = DicomTask.objects.get(job=job)
    return {
        "job": reverse("core:job_action", args=[job.pk, "cancel"]),
        "bulk": reverse("core:bulk_action", args=[job.pk, "reset"]),
        "filter": reverse("core:job_detail", args=[job.pk]),
        "task": reverse("core:task_action", args=[task.pk, "reset"]),
    }


@pytest.mark.parametrize("what", ["job", "bulk", "filter", "task"])
def test_what_is_gone_is_said_in_words_with_a_way_on(what, owner, make_job):
    job = make_job(owner)
    address = gone(job)[what]
    delete_job(owner, job.pk)
    client = Client()
    client.force_login(owner)
    response = client.post(address, headers=HTMX)
    assert response.status_code == 404
    told = toast(response)
    noun = "task" if what == "task" else "job"
    assert told["text"].startswith(f"This {noun} no longer exists")
    assert (told["address"], told["link"]) == (reverse("core:job_list"), "Show all jobs")
    plain = client.post(address)
    assert plain.status_code == 404
    assert "HX-Trigger" not in plain.headers

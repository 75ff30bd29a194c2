"""What keeps tasks from starting at all is told where people look and before they ask for more."""

import pytest
from django.test import Client
from django.urls import reverse

from adit.core.factories import DicomServerFactory, grant_access
from adit.core.jobs.notices import notices_for
from adit.core.jobs.worker_slots import sign_on
from adit.core.models import DicomServer, DicomTask, JobKindSettings

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

NO_WORKER = "No worker is running: tasks wait until one does."
KIND = "Selective Transfer is suspended: running tasks finish, no new ones start."


@pytest.fixture(params=["core:home", "core:job_list", "selective_transfer:form"])
def page(request, owner):
    """What a page shows the owner, now."""
    client = Client()
    client.force_login(owner)
    return lambda: client.get(reverse(request.param)).content.decode()


def test_a_suspended_kind_is_told(page):
    assert KIND not in page()
    JobKindSettings.objects.create(kind="selective_transfer", is_suspended=True)
    assert KIND in page()


def test_a_suspended_server_is_told_to_those_who_use_it(page, owner, staff):
    used, other = DicomServerFactory(name="USED"), DicomServerFactory(name="UNUSED")
    grant_access(owner.active_group, used, destination=True)
    assert "USED is suspended" not in page()
    DicomServer.objects.filter(pk__in=[used.pk, other.pk]).update(is_suspended=True)
    text = page()
    assert "USED is suspended: running tasks finish, no new ones start." in text
    assert "UNUSED is suspended" not in text
    assert any("UNUSED is suspended" in notice for notice in notices_for(staff))


def test_it_is_told_that_no_worker_runs(page):
    assert NO_WORKER in page()
    sign_on("worker", 1)
    assert NO_WORKER not in page()


def test_it_is_told_that_all_workers_are_busy_only_where_tasks_wait_for_them(owner, make_job, page):
    sign_on("worker", 1)
    job = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS", "PENDING"])
    running, waiting = DicomTask.objects.filter(job=job).order_by("pk")
    DicomTask.objects.filter(pk=running.pk).update(worker="worker")
    assert "All workers are busy" not in page()
    DicomTask.objects.filter(pk=waiting.pk).update(queued=job.created)
    assert "All workers are busy (1 of 1): further tasks wait for a free one." in page()

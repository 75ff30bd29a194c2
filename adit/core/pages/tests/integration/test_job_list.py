"""The list of jobs: filters, searches, and what staff sees."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from adit.core.models import DicomJob

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def listed(client, query=""):
    response = client.get(reverse("core:job_list") + query)
    assert response.status_code == 200
    return {job.pk for job in response.context["jobs"]}


def search(client, text):
    response = client.post(reverse("core:job_list"), {"search": text})
    assert text not in response.url
    return {job.pk for job in client.get(response.url).context["jobs"]}


def test_jobs_are_filtered_by_state_owner_and_day(owner, stranger, staff, make_job):
    old, failed = make_job(owner), make_job(stranger, "FAILURE", ["FAILURE"])
    DicomJob.objects.filter(pk=old.pk).update(created=timezone.now() - timedelta(days=3))
    client = client_of(staff)
    today = timezone.localdate()
    before = today - timedelta(days=2)
    assert listed(client, "?state=FAILURE") == {failed.pk}
    assert listed(client, "?state=OPEN") == {old.pk}
    assert listed(client, f"?owner={owner.username}") == {old.pk}
    assert listed(client, f"?since={before}") == {failed.pk}
    assert listed(client, f"?until={before}") == {old.pk}
    assert listed(client, f"?since={today}&until={today}") == {failed.pk}
    assert listed(client, "?kind=selective_transfer") == {old.pk, failed.pk}
    assert listed(client, "?own=1") == set()


@pytest.mark.parametrize(
    "query",
    ["?since=yesterday", "?until=9999-12-31", "?kind=x", "?state=%00", "?owner=%00", "?page=99"],
)
def test_a_filter_that_makes_no_sense_harms_nothing(staff, owner, make_job, query):
    make_job(owner)
    listed(client_of(staff), query)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?state=DONE", ["State: Select a valid choice. DONE is not one of the available choices"]),
        ("?kind=x", ["Kind: Select a valid choice"]),
        ("?since=yesterday", ["Created from: Enter a valid date"]),
        ("?status=FAILURE", ["“status” is no filter"]),
        ("?sort=password", ["The list has no such order"]),
        ("?page=99", ["The list has no such page"]),
        ("?page=two", ["The page is no number"]),
        ("?own=yes", ["“own” is 1 or not there"]),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(staff, owner, make_job, query, words):
    job = make_job(owner)
    response = client_of(staff).get(f"{reverse('core:job_list')}{query}")
    text = response.content.decode()
    assert 'data-testid="left-out"' in text
    for word in words:
        assert word in text
    assert {job.pk for job in response.context["jobs"]} == {job.pk}


@pytest.mark.parametrize("query", ["", "?state=OPEN&own=1&page=1", "?sort=-state&since=&owner="])
def test_a_filter_that_makes_sense_brings_no_warning(staff, owner, make_job, query):
    make_job(owner)
    make_job(staff)
    text = client_of(staff).get(f"{reverse('core:job_list')}{query}").content.decode()
    assert 'data-testid="left-out"' not in text


def test_the_owner_is_no_filter_for_others_than_staff(owner, stranger, make_job):
    job = make_job(owner)
    assert listed(client_of(owner), f"?owner={stranger.username}") == {job.pk}
    assert listed(client_of(stranger), f"?owner={owner.username}&own=0") == set()


def test_a_search_finds_number_patient_pseudonym_and_trial(owner, make_job):
    job, other = make_job(owner, pseudonym="CODE7"), make_job(owner, tasks=["PENDING"] * 2)
    job.trial_protocol_id = "LUNG-7"
    job.save()
    client = client_of(owner)
    assert search(client, "CODE7") == {job.pk}
    assert search(client, "lung") == {job.pk}
    assert search(client, "PID2") == {other.pk}
    assert job.pk in search(client, str(job.pk))
    assert search(client, "nothing") == set()
    assert listed(client) == set()
    assert client.get(reverse("core:job_list") + "?all=1", follow=True).status_code == 200
    assert listed(client) == {job.pk, other.pk}


def test_a_search_finds_no_jobs_of_others(owner, stranger, make_job):
    make_job(owner, pseudonym="CODE7")
    assert search(client_of(stranger), "CODE7") == set()


def test_home_shows_own_jobs_even_to_staff(owner, staff, make_job):
    job = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS"])
    mine = make_job(staff, "IN_PROGRESS", ["IN_PROGRESS"])
    text = client_of(staff).get("/").content.decode()
    assert mine.get_absolute_url() in text
    assert f'"{job.get_absolute_url()}"' not in text


def test_the_number_of_queries_does_not_grow(owner, make_job, django_assert_max_num_queries):
    for _ in range(25):
        make_job(owner)
    client = client_of(owner)
    with django_assert_max_num_queries(10):
        client.get(reverse("core:job_list"))
    with django_assert_max_num_queries(10):
        client.get("/")


def test_the_live_parts_of_a_list_are_those_of_its_own_search(owner, make_job):
    """Another tab may search for something else meanwhile."""
    first, second = make_job(owner), make_job(owner)
    client = client_of(owner)

    def live_of(page):
        (address,) = re.findall(r'hx-get="([^"]*live[^"]*)"', page.content.decode())
        return html.unescape(address)

    def shown(response):
        return {
            job.pk for job in (first, second) if f"/jobs/{job.pk}/" in response.content.decode()
        }

    whole = live_of(client.get(reverse("core:job_list")))
    answer = client.post(reverse("core:job_list"), {"search": str(second.pk)})
    searched = live_of(client.get(answer.headers["Location"]))
    assert shown(client.get(whole)) == {first.pk, second.pk}
    assert shown(client.get(searched)) == {second.pk}
    client.post(reverse("core:job_list"), {"search": str(first.pk)})
    assert client.get(searched).status_code == 204
    assert shown(client.get(whole)) == {first.pk, second.pk}

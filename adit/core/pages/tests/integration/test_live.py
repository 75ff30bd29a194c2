import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client

from adit.core.factories import DicomServerFactory, grant_access
from adit.core.jobs.actions import delete_job
from adit.core.jobs.notify import notify_job
from adit.core.jobs.worker_slots import sign_off, sign_on
from adit.core.models import DicomTask
from adit.core.pages import feeds, live
from adit.core.pages.consumers import NOT_ALLOWED
from adit.core.pages.feeds import HEARTBEAT, all_feeds
from adit.core.pages.live import job_listener
from adit.core.pages.topics import HomeTopic, JobTopic
from adit.routing import websocket_urlpatterns

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.asyncio,
]


def cookie_of(user):
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@asynccontextmanager
async def socket(user, path):
    cookie = await database_sync_to_async(cookie_of)(user)
    headers = [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode())]
    application = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
    communicator = WebsocketCommunicator(application, path, headers)
    try:
        yield communicator
    finally:
        await communicator.disconnect()
        await job_listener().stop()


async def receive_until(communicator, part):
    while True:
        text = await communicator.receive_from(timeout=60)
        if part in text:
            return text


def change_task(job):
    DicomTask.objects.filter(job_id=job.pk).update(instances_done=3)
    notify_job(job.pk)


async def test_a_change_of_a_job_reaches_its_page(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    task = await DicomTask.objects.aget(job_id=job.pk)
    async with socket(owner, f"/ws/jobs/{job.pk}/?tasks={task.pk}") as communicator:
        connected, _ = await communicator.connect(timeout=15)
        assert connected
        await receive_until(communicator, f'<tr id="task-{task.pk}"')
        await database_sync_to_async(change_task)(job)
        text = await receive_until(communicator, 'data-testid="instances-done">3<')
        assert 'id="job-live"' in text
        # Rows come alone, or the parser of the browser would drop them.
        row = await receive_until(communicator, "3 of 3")
        assert row.startswith(f'<tr id="task-{task.pk}"')
        assert row.endswith("</tr>")


async def test_the_page_says_which_rows_it_shows(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    task = await DicomTask.objects.aget(job_id=job.pk)
    async with socket(owner, f"/ws/jobs/{job.pk}/") as communicator:
        assert (await communicator.connect(timeout=15))[0]
        for nonsense in ("no JSON", "[]", "{}"):
            await communicator.send_to(text_data=nonsense)
        await communicator.send_json_to({"tasks": f"{task.pk},x"})
        await receive_until(communicator, f'<tr id="task-{task.pk}"')


async def test_a_change_reaches_the_page_of_a_task_and_home(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    task = await DicomTask.objects.aget(job_id=job.pk)
    async with (
        socket(owner, f"/ws/jobs/{job.pk}/?task={task.pk}") as of_task,
        socket(owner, "/ws/jobs/") as of_home,
    ):
        assert (await of_task.connect(timeout=15))[0]
        assert (await of_home.connect(timeout=15))[0]
        await database_sync_to_async(change_task)(job)
        await receive_until(of_task, 'data-testid="instances-done">3<')
        assert 'id="home-jobs"' in await receive_until(of_home, "3 of 3 instances")


@pytest.mark.parametrize("path", ["/ws/jobs/", "/ws/jobs/list/", "/ws/jobs/{}/"])
async def test_that_a_worker_comes_shows_at_once_and_that_it_stops_too(
    path, owner, make_job, monkeypatch
):
    # Nobody looks at what changes silently meanwhile.
    monkeypatch.setattr(feeds, "STALE_SECONDS", 3600)
    job = await database_sync_to_async(make_job)(owner)
    async with asyncio.timeout(30), socket(owner, path.format(job.pk)) as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, "one is running" if "{}" in path else "No worker is running")
        await database_sync_to_async(sign_on)("host:1", 1)
        await receive_until(page, "job-live" if "{}" in path else f"{job.pk}")
        await database_sync_to_async(sign_off)("host:1")
        await receive_until(page, "one is running" if "{}" in path else "No worker is running")


async def test_that_a_server_is_suspended_shows_at_home_at_once(owner, make_job):
    await database_sync_to_async(make_job)(owner)
    async with asyncio.timeout(30), socket(owner, "/ws/jobs/") as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, "home-jobs")
        # What is read because the listener has begun is read by then.
        await job_listener().listening.wait()
        await asyncio.sleep(2.5)
        await database_sync_to_async(suspend_a_server)(owner)
        await receive_until(page, "SLEEPY is suspended")


def suspend_a_server(user):
    server = DicomServerFactory(name="SLEEPY")
    grant_access(user.active_group, server, source=True)
    server.is_suspended = True
    server.save()


@pytest.mark.parametrize("path", ["/ws/jobs/", "/ws/jobs/list/"])
async def test_that_jobs_of_others_keep_all_workers_busy_shows_and_that_it_is_over_too(
    path, owner, stranger, make_job, monkeypatch
):
    monkeypatch.setattr(live, "WORKERS_SECONDS", 0.2)
    job = await database_sync_to_async(make_job)(
        stranger, "IN_PROGRESS", ["IN_PROGRESS", "PENDING"]
    )
    await database_sync_to_async(sign_on)("host:1", 1)
    async with asyncio.timeout(90), socket(owner, path) as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, "id=")
        await database_sync_to_async(keep_busy)(job, "host:1")
        await receive_until(page, "All workers are busy (1 of 1)")
        await database_sync_to_async(keep_busy)(job, "")
        while "All workers are busy" in await receive_until(page, "id="):
            pass


def keep_busy(job, worker):
    DicomTask.objects.filter(job=job, state="IN_PROGRESS").update(worker=worker)
    waits = DicomTask.objects.filter(job=job, state="PENDING")
    waits.update(queued=job.created if worker else None)
    notify_job(job.pk)


async def test_a_job_of_somebody_else_is_not_sent(owner, stranger, make_job):
    job = await database_sync_to_async(make_job)(owner)
    async with socket(stranger, f"/ws/jobs/{job.pk}/") as communicator:
        connected, code = await communicator.connect(timeout=15)
        assert not connected
        assert code == NOT_ALLOWED


async def test_a_user_who_was_deactivated_gets_no_more(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    async with socket(owner, f"/ws/jobs/{job.pk}/") as communicator:
        assert (await communicator.connect(timeout=15))[0]
        await type(owner).objects.filter(pk=owner.pk).aupdate(is_active=False)
        await database_sync_to_async(change_task)(job)
        while (message := await communicator.receive_output(timeout=15))[
            "type"
        ] != "websocket.close":
            assert message["type"] == "websocket.send"
            assert 'data-testid="instances-done">3<' not in message["text"]
        assert message["code"] == NOT_ALLOWED


async def listening():
    await asyncio.wait_for(job_listener().listening.wait(), 15)


async def test_a_visitor_is_turned_away(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    application = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
    for path in ("/ws/jobs/", f"/ws/jobs/{job.pk}/"):
        communicator = WebsocketCommunicator(application, path)
        connected, code = await communicator.connect(timeout=15)
        assert (connected, code) == (False, NOT_ALLOWED)
    await job_listener().stop()


async def test_who_logs_out_is_cut_off_at_the_next_change(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    async with socket(owner, f"/ws/jobs/{job.pk}/") as communicator:
        await communicator.connect(timeout=15)
        await receive_until(communicator, 'id="job-live"')
        await listening()
        await Session.objects.all().adelete()
        await database_sync_to_async(change_task)(job)
        while (message := await communicator.receive_output(15))["type"] != "websocket.close":
            assert 'data-testid="instances-done">3<' not in message["text"]
        assert message["code"] == NOT_ALLOWED


def change_task_unheard(job):
    """End the listener's connection, then change the task without a notification."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'adit live' AND datname = current_database()"
        )
    DicomTask.objects.filter(job_id=job.pk).update(instances_done=3)


async def test_what_was_missed_while_the_connection_was_lost_is_caught_up(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    async with socket(owner, f"/ws/jobs/{job.pk}/") as communicator:
        await communicator.connect(timeout=15)
        await receive_until(communicator, 'id="job-live"')
        await listening()
        await database_sync_to_async(change_task_unheard)(job)
        await receive_until(communicator, 'data-testid="instances-done">3<')


async def test_all_watchers_of_a_job_share_one_reading(owner, staff, make_job, monkeypatch):
    """The load on the database does not grow with the number of pages that are open."""
    job = await database_sync_to_async(make_job)(owner)
    readings = []
    read = JobTopic.read

    def counted(topic, rows):
        readings.append(rows)
        return read(topic, rows)

    async with AsyncExitStack() as stack:
        path = f"/ws/jobs/{job.pk}/"
        pages = [await stack.enter_async_context(socket(user, path)) for user in [owner, staff] * 6]
        for page in pages:
            assert (await page.connect(timeout=15))[0]
            await receive_until(page, 'id="retry-choice"')
        await listening()
        monkeypatch.setattr(JobTopic, "read", counted)
        await database_sync_to_async(change_task)(job)
        for page in pages:
            await receive_until(page, 'data-testid="instances-done">3<')
    # One for the change; another one where it fell into a reading.
    assert 1 <= len(readings) <= 3


async def test_what_only_staff_may_do_is_shown_to_staff_only(owner, staff, make_job):
    job = await database_sync_to_async(make_job)(owner, "UNVERIFIED")
    path = f"/ws/jobs/{job.pk}/"
    async with socket(owner, path) as of_owner, socket(staff, path) as of_staff:
        for page in (of_owner, of_staff):
            assert (await page.connect(timeout=15))[0]
        assert "action-verify" not in await receive_until(of_owner, 'id="job-actions"')
        assert "action-verify" in await receive_until(of_staff, 'id="job-actions"')


async def test_a_new_job_enters_the_list_and_a_deleted_one_leaves_it(owner, make_job):
    first = await database_sync_to_async(make_job)(owner)
    async with socket(owner, "/ws/jobs/list/?own=1") as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, f'id="job-{first.pk}"')
        await listening()
        second = await database_sync_to_async(make_job)(owner)
        await database_sync_to_async(notify_job)(second.pk)
        text = await receive_until(page, f'id="job-{second.pk}"')
        assert 'id="job-table"' in text
        await database_sync_to_async(delete_job)(owner, first.pk)
        text = await receive_until(page, "1–1 of 1 job")
        assert f'id="job-{first.pk}"' not in text


async def test_a_change_of_a_row_sends_that_row_alone(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    async with socket(owner, "/ws/jobs/list/") as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, 'id="job-table"')
        await listening()
        await database_sync_to_async(change_task)(job)
        assert (await receive_until(page, "3 of 3")).startswith(f'<tr id="job-{job.pk}"')


async def test_jobs_of_others_disturb_no_home_page(owner, stranger, make_job):
    other = await database_sync_to_async(make_job)(stranger)
    async with socket(owner, "/ws/jobs/") as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, 'id="home-jobs"')
        await listening()
        topic = HomeTopic(owner.pk, False)
        assert not topic.concerns(other.pk, stranger.pk)
        assert topic.concerns(other.pk, owner.pk)
        assert topic.concerns(other.pk, None)


async def test_a_page_hears_from_the_server_even_if_nothing_happens(owner, make_job, monkeypatch):
    monkeypatch.setattr("adit.core.pages.feeds.HEARTBEAT_SECONDS", 0.5)
    job = await database_sync_to_async(make_job)(owner, "SUCCESS", ["SUCCESS"])
    async with socket(owner, f"/ws/jobs/{job.pk}/") as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, HEARTBEAT)
        await receive_until(page, HEARTBEAT)


async def test_a_reading_that_fails_is_tried_again(owner, make_job, monkeypatch):
    job = await database_sync_to_async(make_job)(owner)
    read, failures = JobTopic.read, [OperationalError(), OperationalError()]

    def faulty(topic, rows):
        if failures:
            raise failures.pop()
        return read(topic, rows)

    monkeypatch.setattr(JobTopic, "read", faulty)
    async with socket(owner, f"/ws/jobs/{job.pk}/") as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, 'id="job-live"')
        assert not failures


async def test_a_feed_ends_with_its_last_watcher(owner, make_job):
    job = await database_sync_to_async(make_job)(owner)
    async with socket(owner, f"/ws/jobs/{job.pk}/") as page:
        assert (await page.connect(timeout=15))[0]
        await receive_until(page, 'id="job-live"')
        assert len(all_feeds()) == 1
    assert len(all_feeds()) == 0

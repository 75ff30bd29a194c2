import asyncio

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import connection
from django.test import Client

from adit.asgi import application
from adit.core.jobs.actions import cancel_job
from adit.core.jobs.notify import notify_job
from adit.core.pages.live import job_listener

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio,
    pytest.mark.django_db(transaction=True),
]


class Watcher(WebsocketCommunicator):
    """A browser that watches a page."""

    def __init__(self, path, user=None):
        headers = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
        self.client = Client()
        if user:
            self.client.force_login(user)
            cookie = self.client.cookies["sessionid"].value
            headers.append((b"cookie", f"sessionid={cookie}".encode()))
        super().__init__(application, path, headers)

    async def __aenter__(self):
        self.connected, self.code = await self.connect(timeout=10)
        return self

    async def __aexit__(self, *_):
        await self.disconnect()
        await job_listener().stop()

    async def see(self, text: str) -> str:
        """Wait for a message with `text` in it."""
        async with asyncio.timeout(15):
            while True:
                message = str(await self.receive_from(timeout=15))
                if text in message:
                    return message


watch = database_sync_to_async(Watcher)


@pytest.fixture
def job(owner, make_job):
    return make_job(owner, "PENDING", "PENDING")


async def test_the_page_gets_the_truth_when_it_connects_and_after_each_change(owner, job):
    task = await job.tasks.afirst()
    async with await watch(f"/ws/jobs/{job.pk}/?tasks={task.pk}", owner) as page:
        await page.see('id="job-live"')
        row = await page.see(f'id="task-{task.pk}"')
        assert row.lstrip().startswith("<tr")
        await asyncio.wait_for(job_listener().listening.wait(), 10)
        await database_sync_to_async(cancel_job)(owner, job.pk)
        assert "Canceled" in await page.see(f'id="task-{task.pk}"')


async def test_the_home_page_follows_all_jobs_of_the_user(owner, job):
    async with await watch("/ws/jobs/", owner) as page:
        await page.see(f"/jobs/{job.pk}/")
        await asyncio.wait_for(job_listener().listening.wait(), 10)
        await database_sync_to_async(cancel_job)(owner, job.pk)
        await page.see("Canceled")


async def test_nobody_watches_the_job_of_another_user(make_user, job):
    stranger = await database_sync_to_async(make_user)()
    async with await watch(f"/ws/jobs/{job.pk}/", stranger) as page:
        assert not page.connected
    async with await watch(f"/ws/jobs/?jobs={job.pk}", stranger) as page:
        assert await page.receive_nothing(timeout=1)


async def test_a_visitor_is_turned_away(job):
    async with await watch("/ws/jobs/") as page:
        assert not page.connected


async def test_who_logs_out_is_cut_off_at_the_next_change(owner, job):
    async with await watch(f"/ws/jobs/{job.pk}/", owner) as page:
        await page.see('id="job-live"')
        await asyncio.wait_for(job_listener().listening.wait(), 10)
        await database_sync_to_async(page.client.logout)()
        await database_sync_to_async(notify_job)(job.pk)
        async with asyncio.timeout(15):
            while (message := await page.receive_output(15))["type"] != "websocket.close":
                assert "job-live" not in message.get("text", "")
        assert message["code"] == 4403


async def test_changes_during_a_lost_connection_are_caught_up(owner, job):
    async with await watch(f"/ws/jobs/{job.pk}/", owner) as page:
        await page.see('id="job-live"')
        await asyncio.wait_for(job_listener().listening.wait(), 10)
        await database_sync_to_async(lose_a_notification)(job.pk)
        await page.see("Canceled")


def lose_a_notification(job_id):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'adit live' AND datname = current_database()"
        )
        # No notification goes with this change.
        cursor.execute("UPDATE core_dicomjob SET state = 'CANCELED' WHERE id = %s", [job_id])

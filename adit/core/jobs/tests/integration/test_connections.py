"""The connections on which an idle worker waits all day."""

import asyncio
from typing import Any

import pytest
from django.db import connection

from adit.core.jobs.connections import QuietConnection, worker_connector

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def wakes_while_listening(listener, seconds):
    """How often the event loop is asked to wake by time, and what was heard."""
    loop: Any = asyncio.get_running_loop()
    wakes, heard = [], []
    call_at = loop.call_at
    loop.call_at = lambda *args, **options: wakes.append(args) or call_at(*args, **options)

    async def listen():
        async for notification in listener.notifies():
            heard.append(notification.payload)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(seconds)
    listening.cancel()
    await asyncio.wait({listening})
    return len(wakes), heard


def test_a_worker_that_waits_sleeps_and_hears_nevertheless():
    async def run():
        parameters = connection.get_connection_params()
        for key in ("cursor_factory", "context", "prepare_threshold"):
            parameters.pop(key, None)
        async with await QuietConnection.connect(**parameters, autocommit=True) as listener:
            await listener.execute("LISTEN quiet")
            wakes, heard = await wakes_while_listening(listener, 1.0)
            assert wakes <= 2 and not heard
            async with await QuietConnection.connect(**parameters, autocommit=True) as other:
                await other.execute("NOTIFY quiet, 'psst'")
            _, heard = await wakes_while_listening(listener, 0.2)
            assert heard == ["psst"]

    asyncio.run(run())


def test_the_worker_of_the_queue_waits_so_too():
    async def run():
        connector = worker_connector()
        await connector.open_async()
        try:
            async with connector.pool.connection() as one:
                assert isinstance(one, QuietConnection)
        finally:
            await connector.close_async()

    asyncio.run(run())

"""Searches over the WebSocket, against a real PACS and one that misbehaves."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import Client

from adit.asgi import application
from adit.core.models import DicomNodeGroupAccess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def new_user(make_user):
    return database_sync_to_async(make_user)


class Page:
    """A browser's side of the connection."""

    def __init__(self, communicator):
        self._socket = communicator
        self.number = 0

    async def search(self, source, **fields):
        self.number += 1
        fields = {"source": str(source.pk), **fields}
        await self.say(type="search", search=self.number, fields=fields)

    async def say(self, **message):
        await self._socket.send_json_to({"search": self.number, **message})

    async def hear(self, *kinds):
        """The next message of one of these kinds."""
        while True:
            message = await self._socket.receive_json_from(timeout=20)
            if message["type"] in kinds:
                return message

    async def to_the_end(self):
        """All rows of the search, and how it ended."""
        html = ""
        while True:
            message = await self.hear("rows", "end", "error", "invalid")
            assert message["search"] == self.number
            if message["type"] != "rows":
                return html, message
            html += message["html"]

    async def is_silent(self, seconds=0.5):
        return await self._socket.receive_nothing(timeout=seconds)


class NoConnection(Exception):
    """The server refused the connection."""


@asynccontextmanager
async def open_page(user) -> AsyncIterator[Page]:
    client = Client()
    await database_sync_to_async(client.force_login)(user)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = [
        (b"cookie", cookie.encode()),
        (b"host", b"localhost"),
        (b"origin", b"http://localhost"),
    ]
    communicator = WebsocketCommunicator(application, "/ws/selective-transfer/", headers)
    connected, _ = await communicator.connect(timeout=10)
    if not connected:
        raise NoConnection
    try:
        yield Page(communicator)
    finally:
        await communicator.disconnect()


def patients_in(html: str) -> set[str]:
    return set(re.findall(r'<td class="mono">(\d+)</td>', html))


def wait_for(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()


async def test_rows_come_from_the_pacs(new_user, source):
    async with open_page(await new_user(source)) as page:
        await page.search(source, patient_id="100*")
        html, end = await page.to_the_end()
    assert patients_in(html) == {"1001", "1002", "1003"}
    assert "Müller, Jörg" in html and "Иванов, Пётр" in html
    assert end["text"] == "4 studies found at ORTHANC1."
    assert end["level"] == "info"


async def test_source_is_remembered(new_user, source):
    user = await new_user(source)
    async with open_page(user) as page:
        await page.search(source, patient_id="1001")
        await page.to_the_end()
    await user.arefresh_from_db()
    assert user.preferences["selective_transfer"] == {"source": source.pk}


async def test_series_of_a_study(new_user, source):
    async with open_page(await new_user(source)) as page:
        await page.search(source, patient_id="1001", modalities=["MR"])
        html, _ = await page.to_the_end()
        (token,) = re.findall(r'data-tick\s+value="([^"]+)"', html)
        await page.say(type="series", token=token)
        answer = await page.hear("series", "error")
    assert "t1_se_tra" in answer["html"] and "t2_tse_tra" in answer["html"]
    assert answer["html"].count("data-tick-series") == 2


async def test_invalid_search_is_told_by_field(new_user, source):
    async with open_page(await new_user(source)) as page:
        await page.search(source)
        _, answer = await page.to_the_end()
        assert answer["errors"][""].startswith("Give at least one criterion")
        await page.search(source, birth_date="01/02/2020")
        _, answer = await page.to_the_end()
        assert "YYYY-MM-DD" in answer["errors"]["birth_date"]


@pytest.mark.parametrize("text", ["{", "[]", "1", '{"type": []}', '{"type": "drop"}'])
async def test_nonsense_is_answered_in_words(new_user, source, text):
    async with open_page(await new_user(source)) as page:
        await page._socket.send_to(text_data=text)
        answer = await page.hear("error")
        assert "did not understand" in answer["text"]


@pytest.mark.parametrize("fields", [5, [], {"birth_date": 5}, {"source": 1e400}, {"a": {"b": []}}])
async def test_fields_that_are_no_texts_are_answered_in_words(fields, new_user, source):
    async with open_page(await new_user(source)) as page:
        await page.say(type="search", search=1, fields=fields)
        answer = await page.hear("invalid")
        assert answer["errors"]


async def test_cut_by_our_limit_is_told(new_user, source, settings):
    settings.SELECTIVE_TRANSFER_RESULT_LIMIT = 2
    async with open_page(await new_user(source)) as page:
        await page.search(source, patient_id="100*")
        html, end = await page.to_the_end()
    assert html.count("data-study-uid") == 2
    assert end["level"] == "warning"
    assert end["text"].startswith("The first 2 studies at ORTHANC1 are shown; there are more.")


async def test_cut_by_the_server_is_told(new_user, source):
    await type(source).objects.filter(pk=source.pk).aupdate(max_search_results=2)
    async with open_page(await new_user(source)) as page:
        await page.search(source, patient_id="100*")
        _, end = await page.to_the_end()
    assert end["text"].startswith("ORTHANC1 gave 2 studies and held back more.")


async def test_nothing_found_is_no_error(new_user, source):
    async with open_page(await new_user(source)) as page:
        await page.search(source, patient_id="9999")
        html, end = await page.to_the_end()
    assert not html and end["text"].startswith("No study at ORTHANC1 fits.")


async def test_what_could_not_be_read_is_told(new_user, double_source, double):
    double.faults.nameless_levels = ["STUDY"]
    async with open_page(await new_user(double_source)) as page:
        await page.search(double_source, patient_id="100*")
        html, end = await page.to_the_end()
    assert html and end["level"] == "warning"
    assert end["text"].endswith("1 answer of DOUBLE could not be read.")


async def test_keys_that_the_server_left_open_are_told(new_user, double_source, double):
    double.faults.ignored_keys = ["PatientBirthDate"]
    async with open_page(await new_user(double_source)) as page:
        await page.search(double_source, patient_id="100*", birth_date="1901-01-01")
        html, end = await page.to_the_end()
    assert html and end["level"] == "warning"
    assert "DOUBLE does not tell the birth date of some: these may not fit." in end["text"]


async def test_dead_server_is_told_in_words(new_user, double_source, double):
    double.stop()
    async with open_page(await new_user(double_source)) as page:
        await page.search(double_source, patient_id="1")
        _, end = await page.to_the_end()
    assert end["level"] == "error" and "DOUBLE" in end["text"]


async def test_refusal_is_told_in_words(new_user, double_source, double):
    double.faults.refuse_associations = True
    async with open_page(await new_user(double_source)) as page:
        await page.search(double_source, patient_id="1")
        _, end = await page.to_the_end()
    assert end["level"] == "error" and "DOUBLE" in end["text"]


async def test_cancel_aborts_at_the_pacs(new_user, double_source, double):
    double.faults.delay = 1
    async with open_page(await new_user(double_source)) as page:
        await page.search(double_source, patient_id="100*")
        await page.hear("rows")
        await page.say(type="cancel")
        end = await page.hear("end")
        assert end["text"].startswith("Canceled; ")
        await asyncio.to_thread(wait_for, lambda: not double._counted)
        assert await page.is_silent(2)


async def test_new_search_ends_the_old_one(new_user, double_source, source, double):
    double.faults.delay = 1
    async with open_page(await new_user(double_source, source)) as page:
        await page.search(double_source, patient_id="100*")
        await page.hear("started")
        await page.search(source, patient_id="1002")
        await page.hear("started")
        html, _ = await page.to_the_end()
        assert patients_in(html) == {"1002"}
        await asyncio.to_thread(wait_for, lambda: not double._counted)
        assert await page.is_silent(2)


async def test_closing_the_page_ends_the_search(new_user, double_source, double):
    double.faults.delay = 1
    async with open_page(await new_user(double_source)) as page:
        await page.search(double_source, patient_id="100*")
        await page.hear("rows")
    await asyncio.to_thread(wait_for, lambda: not double._counted)


async def test_event_loop_goes_on_while_the_pacs_is_slow(new_user, double_source, double):
    double.faults.delay = 0.5
    async with open_page(await new_user(double_source)) as page:
        await page.search(double_source, patient_id="100*")
        longest, last = 0.0, time.monotonic()
        end = asyncio.create_task(page.to_the_end())
        while not end.done():
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
    assert longest < 0.4


async def test_searches_of_two_users_are_not_mixed(new_user, source):
    async with open_page(await new_user(source)) as one, open_page(await new_user(source)) as two:
        await one.search(source, patient_id="1001")
        await two.search(source, patient_id="1002")
        (first, _), (second, _) = await asyncio.gather(one.to_the_end(), two.to_the_end())
    assert patients_in(first) == {"1001"}
    assert patients_in(second) == {"1002"}


async def test_right_withdrawn_in_mid_search(new_user, double_source, double):
    double.faults.delay = 0.5
    user = await new_user(double_source)
    async with open_page(user) as page:
        await page.search(double_source, patient_id="100*")
        await page.hear("rows")
        await database_sync_to_async(user.user_permissions.clear)()
        _, answer = await page.to_the_end()
        assert "You may not" in answer["text"]
        await page.search(double_source, patient_id="100*")
        _, answer = await page.to_the_end()
        assert "You may not" in answer["text"]


async def test_source_withdrawn_in_mid_search(new_user, double_source, double):
    double.faults.delay = 0.5
    user = await new_user(double_source)
    async with open_page(user) as page:
        await page.search(double_source, patient_id="100*")
        await page.hear("rows")
        await DicomNodeGroupAccess.objects.filter(group=user.active_group_id).adelete()
        _, answer = await page.to_the_end()
        assert "may not read from this source" in answer["text"]


async def test_log_out_in_mid_search_closes(new_user, double_source, double):
    double.faults.delay = 0.5
    user = await new_user(double_source)
    async with open_page(user) as page:
        await page.search(double_source, patient_id="100*")
        await page.hear("rows")
        await type(user).objects.filter(pk=user.pk).aupdate(is_active=False)
        _, answer = await page.to_the_end()
        assert "not logged in any more" in answer["text"]


@pytest.mark.parametrize("right", ["query_dicom_server", "add_selectivetransferjob"])
async def test_others_get_no_connection(new_user, source, right):
    user = await new_user(source, rights=[right])
    with pytest.raises(NoConnection):
        async with open_page(user):
            pass


async def test_series_token_of_another_user(new_user, source):
    async with open_page(await new_user(source)) as page:
        await page.search(source, patient_id="1002")
        html, _ = await page.to_the_end()
    (token,) = re.findall(r'data-tick\s+value="([^"]+)"', html)
    async with open_page(await new_user(source)) as page:
        await page.say(type="series", token=token)
        answer = await page.hear("series", "error")
    assert "Another user" in answer["text"]

"""Previews over the WebSocket, at a real PACS and at one that misbehaves."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import Client

from adit.asgi import application
from adit.audit.models import AuditEntry
from adit.core.dicom import DicomOperator, Query
from adit.core.factories import DeidProfileFactory
from adit.core.models import DicomNodeGroupAccess, DicomServer
from adit.selective_transfer.studies import study_at
from adit.selective_transfer.tokens import sign_study

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio,
    pytest.mark.django_db(transaction=True),
]

ORIGIN = (b"origin", b"http://localhost")


class NoConnection(Exception):
    """The server refused the connection."""


@asynccontextmanager
async def preview_page(user) -> AsyncIterator[WebsocketCommunicator]:
    client = Client()
    await database_sync_to_async(client.force_login)(user)
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    headers = [(b"cookie", cookie), (b"host", b"localhost"), ORIGIN]
    socket = WebsocketCommunicator(application, "/ws/selective-transfer/preview/", headers=headers)
    connected, _ = await socket.connect(timeout=20)
    if not connected:
        raise NoConnection
    try:
        yield socket
    finally:
        await socket.disconnect()


def found_at(source, patient_id="1001"):
    with DicomOperator(source.to_config()) as operator:
        results = list(operator.find_studies(Query(patient_id=patient_id)))
    return [study_at(source.pk, source.name, result) for result in results]


@database_sync_to_async
def fields_for(user, source, folder, pseudonym="SEEN-1", profile=None):
    studies = found_at(source)
    fields = [["study", sign_study(user.pk, study)] for study in studies]
    fields += [["destination", str(folder.pk)]]
    if pseudonym:
        fields += [[f"pseudonym-{studies[0].patient_key}", pseudonym]]
    return fields + ([["profile", str(profile)]] if profile else [])


async def to_the_end(socket):
    messages = []
    while True:
        messages.append(await socket.receive_json_from(timeout=60))
        if messages[-1]["type"] in ("end", "error", "invalid"):
            return messages


async def order(user, fields):
    async with preview_page(user) as socket:
        await socket.send_json_to({"type": "preview", "fields": fields})
        return await to_the_end(socket)


async def test_each_kind_of_series_is_shown_once(make_user, source, folder):
    user = await database_sync_to_async(make_user)(source)
    messages = await order(user, await fields_for(user, source, folder))
    samples = [message for message in messages if message["type"] == "sample"]
    labels = [sample["label"] for sample in samples]
    assert "MR · MR Image" in labels
    assert len(labels) == len(set(labels))
    assert "SEEN-1" in next(s["html"] for s in samples if s["label"] == "MR · MR Image")
    assert messages[-1]["type"] == "end"
    entry = await AuditEntry.objects.aget(action="preview")
    assert entry.username == user.username
    assert "1001" not in entry.outcome


async def test_excluded_modalities_are_told_without_a_fetch(make_user, source, folder):
    profile = await database_sync_to_async(DeidProfileFactory)(excluded_modalities=["MR", "CT"])
    user = await database_sync_to_async(make_user)(source)
    messages = await order(user, await fields_for(user, source, folder, profile=profile.pk))
    texts = [message["html"] for message in messages if message["type"] == "sample"]
    assert any("Modality MR is excluded when pseudonymising." in text for text in texts)


async def test_without_a_pseudonym_there_is_nothing_to_preview(make_user, source, folder):
    rights = ("add_selectivetransferjob", "query_dicom_server", "can_transfer_unpseudonymized")
    user = await database_sync_to_async(make_user)(source, rights=rights)
    fields = await fields_for(user, source, folder, pseudonym="")
    (message,) = await order(user, fields)
    assert message["type"] == "invalid"
    assert "nothing is changed on the way" in message["texts"][0]


async def test_what_a_transfer_would_refuse_a_preview_refuses(make_user, source, folder):
    user = await database_sync_to_async(make_user)(source)
    for pseudonym, profile in (("", None), ("1001", None), ("SEEN-1", 4711)):
        fields = await fields_for(user, source, folder, pseudonym, profile)
        assert (await order(user, fields))[-1]["type"] == "invalid"
    other = await database_sync_to_async(make_user)(source)
    stolen = await fields_for(other, source, folder)
    assert (await order(user, stolen))[-1]["type"] == "invalid"


async def test_a_source_of_another_group_is_refused(make_user, source, folder):
    user = await database_sync_to_async(make_user)(source)
    fields = await fields_for(user, source, folder)
    await DicomNodeGroupAccess.objects.filter(node_id=source.pk).aupdate(source=False)
    (message,) = await order(user, fields)
    assert message == {
        "type": "error",
        "text": "Your active group may not read from this source.",
    }


async def test_who_may_not_transfer_is_not_let_in(make_user, source):
    user = await database_sync_to_async(make_user)(source, rights=["query_dicom_server"])
    with pytest.raises(NoConnection):
        async with preview_page(user):
            pass


async def test_a_dead_source_is_told_in_words(make_user, source, folder):
    user = await database_sync_to_async(make_user)(source)
    fields = await fields_for(user, source, folder)
    await DicomServer.objects.filter(pk=source.pk).aupdate(port=1)
    messages = await order(user, fields)
    sample = next(message for message in messages if message["type"] == "sample")
    assert "ORTHANC1" in sample["html"]
    assert "note-error" in sample["html"]


async def test_a_slow_source_can_be_given_up(make_user, double_source, double, folder):
    user = await database_sync_to_async(make_user)(double_source)
    fields = await fields_for(user, double_source, folder)
    double.faults.delay = 8.0
    async with preview_page(user) as socket:
        await socket.send_json_to({"type": "preview", "fields": fields})
        assert (await socket.receive_json_from(timeout=20))["type"] == "progress"
        since = time.monotonic()
        await socket.send_json_to({"type": "cancel"})
        messages = await to_the_end(socket)
    assert messages[-1]["text"] == "Canceled."
    assert time.monotonic() - since < 20


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON", '{"type": "preview", "fields": [[1]]}'])
async def test_nonsense_is_answered(text, make_user, source):
    user = await database_sync_to_async(make_user)(source)
    async with preview_page(user) as socket:
        await socket.send_to(text)
        assert (await socket.receive_json_from(timeout=20))["type"] == "error"

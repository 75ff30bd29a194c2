"""What a worker gets is what arrived, to the bit, or it is told and kept to be looked at."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from adit.core.dicom import DicomInstance
from adit.core.dicom.part10 import read_part10
from adit.core.models import ReceivedInstance, Receiver
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.receiver.server import FileTransmitServer
from adit.core.receiver.spool import Spool

from .conftest import Study
from .test_inbox import BY_HAND, expect, rows_of, take_all

pytestmark = [pytest.mark.integration, pytest.mark.processes]


@pytest.fixture
def spool_by_hand(transactional_db, tmp_path: Path, settings, head: Study) -> Iterator[Path]:
    """The study in a spool that also hands out its files."""
    settings.FILE_TRANSMIT_KEY = "key"
    folder = tmp_path / "spool"
    rows_of(head, folder, originator=7)
    server = FileTransmitServer(Spool(folder), "key", socket.create_server(("127.0.0.1", 0)))
    server.start()
    Receiver.objects.filter(name=BY_HAND).update(file_transmit_port=server.port)
    yield folder
    server.stop()


@pytest.mark.parametrize("shared", [True, False], ids=["shared path", "FileTransmit"])
@pytest.mark.parametrize("threshold", [1 << 30, 1000], ids=["memory", "file"])
def test_what_was_damaged_in_the_spool_is_quarantined_and_asked_for_again(
    spool_by_hand: Path, head: Study, tmp_path: Path, shared: bool, threshold: int
):
    """A disk can change a bit and say nothing of it."""
    row = ReceivedInstance.objects.order_by("pk")[5]
    path = spool_by_hand / row.path
    damaged = bytearray(path.read_bytes())
    damaged[-100] ^= 1
    path.write_bytes(damaged)
    (spill := tmp_path / "spill").mkdir()
    inbox = ReceiverInbox(spill_folder=spill, spill_threshold=threshold, shared_spool=shared)
    with expect(inbox, head, message_id=7) as stream:
        taken = take_all(stream, 23)
        assert stream.take(0) is None
        rows_of(head, spool_by_hand, originator=7)
        taken += take_all(stream, 1)
    assert {one.sop_instance_uid for one in taken} == head.uids
    for instance in taken:
        sent = read_part10(head.folder / f"{instance.sop_instance_uid}.dcm")
        assert instance.read() == sent.read()
        instance.discard()
    assert list(spill.iterdir()) == []
    left = ReceivedInstance.objects.get(conflicting=True)
    assert left.pk == row.pk and left.quarantined_at and path.exists()


@pytest.mark.parametrize("shared", [True, False], ids=["shared path", "FileTransmit"])
def test_the_hash_that_was_compared_is_computed_no_second_time(
    spool_by_hand: Path, head: Study, shared: bool, monkeypatch: pytest.MonkeyPatch
):
    with expect(ReceiverInbox(shared_spool=shared), head, message_id=7) as stream:
        instance = stream.take(5)
        assert instance
    expected = hashlib.sha256(instance.read()).hexdigest()
    monkeypatch.setattr(DicomInstance, "chunks", lambda self: iter([b"is not read again"]))
    assert instance.sha256() == expected


@pytest.mark.parametrize("size", [0, 400], ids=["empty", "cut off"])
def test_what_is_cut_off_is_told_and_kept_to_be_looked_at(
    spool_by_hand: Path, head: Study, size: int
):
    row = ReceivedInstance.objects.earliest("pk")
    content = read_part10(spool_by_hand / row.path).read()
    cut = DicomInstance(
        row.sop_class_uid, row.sop_instance_uid, row.transfer_syntax_uid, content[:size]
    )
    (spool_by_hand / row.path).unlink()
    cut.write_part10(spool_by_hand / row.path)
    ReceivedInstance.objects.filter(pk=row.pk).update(size=size, sha256=cut.sha256())
    with expect(ReceiverInbox(), head, message_id=7) as stream:
        taken = take_all(stream, 24)
        damaged = next(one for one in taken if one.sop_instance_uid == row.sop_instance_uid)
        assert damaged.size == size
        rows_of(head, spool_by_hand, originator=7)
        # It comes once more, in good order.
        assert (whole := stream.take(5)) and whole.read() == content
    left = ReceivedInstance.objects.get()
    assert left.pk == row.pk and left.quarantined_at and (spool_by_hand / row.path).exists()

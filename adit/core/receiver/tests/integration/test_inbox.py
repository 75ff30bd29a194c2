"""Workers get what was sent for them, each instance once, from near and far."""

import contextlib
import hashlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pydicom import Dataset

from adit.core.dicom import DicomInstance, IncomingStream, ServerConfig
from adit.core.dicom.part10 import read_part10
from adit.core.models import ReceivedInstance, Receiver
from adit.core.receiver import housekeeping
from adit.core.receiver.addresses import TOKEN_FILE
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.receiver.server import FileTransmitServer
from adit.core.receiver.spool import Spool
from adit.test_pacs import PacsDouble

from .conftest import AE_TITLE, ReceiverUnderTest, Store, Study, dcmtk

pytestmark = [pytest.mark.integration, pytest.mark.processes]

# Not the name of the receiver that runs, which would keep correcting its address.
BY_HAND = "by hand"
# DCMTK's storescu calls itself so.
SERVER = ServerConfig(name="PACS", ae_title="PACS", sender_ae_titles=("STORESCU",))


@contextlib.contextmanager
def expect(inbox: ReceiverInbox, study: Study, **changes):
    """Expect the study; what was sent before counts as having come now."""
    values = {
        "study_instance_uid": study.uid,
        "series_instance_uids": None,
        "sop_instance_uids": study.uids,
        "message_id": 1,
        "calling_ae_title": "ADIT",
        "server": SERVER,
    }
    with inbox.expect(**(values | changes)) as stream:
        ReceivedInstance.objects.filter(quarantined_at=None).update(received_at=Now())
        yield stream


def take_all(stream: IncomingStream, count: int, patience: float = 20) -> list[DicomInstance]:
    taken: list[DicomInstance] = []
    deadline = time.monotonic() + patience
    while len(taken) < count and time.monotonic() < deadline:
        if instance := stream.take(0.5):
            taken.append(instance)
    return taken


@pytest.mark.parametrize("shared", [True, False], ids=["shared path", "FileTransmit"])
@pytest.mark.parametrize("threshold", [1 << 30, 1000], ids=["memory", "file"])
def test_a_study_is_taken_over_and_leaves_the_receiver(
    receiver: ReceiverUnderTest,
    store: Store,
    head: Study,
    tmp_path: Path,
    shared: bool,
    threshold: int,
):
    spill = tmp_path / "spill"
    spill.mkdir()
    store(head)
    inbox = ReceiverInbox(spill_folder=spill, spill_threshold=threshold, shared_spool=shared)
    with expect(inbox, head) as stream:
        taken = take_all(stream, 24)
        assert stream.take(0) is None
    assert {instance.sop_instance_uid for instance in taken} == head.uids
    for instance in taken:
        sent = read_part10(head.folder / f"{instance.sop_instance_uid}.dcm")
        assert instance.read() == sent.read()
        assert instance.transfer_syntax_uid == sent.transfer_syntax_uid
        instance.discard()
    assert list(spill.iterdir()) == []
    assert not ReceivedInstance.objects.exists()
    assert receiver.files() == []


@pytest.mark.clock
def test_a_worker_is_told_at_once(receiver: ReceiverUnderTest, store: Store, head: Study):
    arrived: list[float] = []
    with expect(ReceiverInbox(), head) as stream:

        def wait() -> None:
            if stream.take(20):
                arrived.append(time.monotonic())

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        started = time.monotonic()
        store(head)
        waiting.join()
    assert arrived and arrived[0] - started < 0.9


@pytest.mark.parametrize("own", [True, False], ids=["its own", "another"])
def test_a_worker_looks_for_its_own_series_only(
    receiver: ReceiverUnderTest, store: Store, head: Study, own: bool
):
    """Several series of a study are fetched beside each other: one must not wake all."""
    series = frozenset({head.series_uid if own else "1.2.3.4"})
    with expect(ReceiverInbox(), head, series_instance_uids=series) as stream:
        store(head)
        assert stream._desk.wait(20 if own else 1) is own


def test_instances_of_others_are_left_alone(
    receiver: ReceiverUnderTest, store: Store, head: Study, compressed: Study
):
    store(head)
    with expect(ReceiverInbox(), compressed) as stream:
        assert stream.take(0.2) is None
    few = frozenset(list(head.uids)[:3])
    with expect(ReceiverInbox(), head, sop_instance_uids=few) as stream:
        assert {one.sop_instance_uid for one in take_all(stream, 24, 1)} == few
    assert ReceivedInstance.objects.filter(claimed_by=None).count() == 21


def test_a_series_is_taken_where_its_instances_are_not_known(
    receiver: ReceiverUnderTest, store: Store, head: Study
):
    store(head)
    known = {"sop_instance_uids": None, "series_instance_uids": [head.series_uid]}
    with expect(ReceiverInbox(), head, **known) as stream:
        assert len(take_all(stream, 24)) == 24
    with expect(ReceiverInbox(), head, **known) as stream:
        assert stream.take(0) is None


def test_two_tasks_never_take_the_same_one(receiver: ReceiverUnderTest, store: Store, large: Study):
    """Two workers expect the same study, which was sent twice without a Move Originator."""
    taken: list[list[str]] = [[], []]

    def work(number: int) -> None:
        with expect(ReceiverInbox(), large, message_id=number) as stream:
            taken[number] += [one.sop_instance_uid for one in take_all(stream, 312)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    senders = [threading.Thread(target=store, args=(large,)) for _ in range(2)]
    for thread in threads + senders:
        thread.start()
    for thread in threads + senders:
        thread.join()
    assert [len(uids) for uids in taken] == [312, 312]
    assert set(taken[0]) == set(taken[1]) == large.uids
    assert not ReceivedInstance.objects.exists() and receiver.files() == []


def rows_of(
    study: Study,
    spool: Path,
    originator: int | None,
    sender: str = "PACS",
    address: str = "127.0.0.1",
) -> None:
    """Enter a study by hand, as if a C-MOVE had brought it."""
    Receiver.objects.update_or_create(
        name=BY_HAND,
        defaults={
            "file_transmit_host": "127.0.0.1",
            "file_transmit_port": 1,
            "spool_path": str(spool),
            "spool_token": "by hand",
            "heartbeat": timezone.now(),
        },
    )
    spool.mkdir(parents=True, exist_ok=True)
    (spool / TOKEN_FILE).write_text("by hand")
    for ds in study.instances:
        instance = read_part10(study.folder / f"{ds.SOPInstanceUID}.dcm")
        name = f"{uuid.uuid4().hex}.dcm"
        instance.write_part10(spool / name)
        ReceivedInstance.objects.create(
            receiver=BY_HAND,
            path=name,
            sop_class_uid=ds.SOPClassUID,
            sop_instance_uid=ds.SOPInstanceUID,
            study_instance_uid=study.uid,
            series_instance_uid=ds.SeriesInstanceUID,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            calling_ae_title=sender,
            address=address,
            called_ae_title=AE_TITLE,
            move_originator_ae_title="ADIT" if originator else "",
            move_originator_message_id=originator,
            size=instance.size,
            sha256=instance.sha256(),
        )


def test_the_move_originator_tells_whose_it_is(transactional_db, tmp_path: Path, head: Study):
    rows_of(head, tmp_path, originator=7)
    with expect(ReceiverInbox(), head, message_id=8) as other:
        assert other.take(0.2) is None
        with expect(ReceiverInbox(), head, message_id=7) as mine:
            assert len(take_all(mine, 24)) == 24


def test_a_wrong_move_originator_is_no_obstacle(transactional_db, tmp_path: Path, head: Study):
    rows_of(head, tmp_path, originator=7)
    with expect(ReceiverInbox(), head, message_id=8) as stream:
        assert len(take_all(stream, 24)) == 24


def test_what_came_before_is_no_answer(transactional_db, tmp_path: Path, head: Study):
    """It may be an older version of what the source has now."""
    rows_of(head, tmp_path, originator=1)
    with ReceiverInbox().expect(
        study_instance_uid=head.uid,
        series_instance_uids=None,
        sop_instance_uids=head.uids,
        message_id=1,
        calling_ae_title="ADIT",
        server=SERVER,
    ) as stream:
        assert stream.take(0.5) is None
    assert ReceivedInstance.objects.filter(claimed_by=None).count() == 24


def test_doubles_of_ours_are_dropped(transactional_db, tmp_path: Path, head: Study):
    rows_of(head, tmp_path, originator=7)
    rows_of(head, tmp_path, originator=7)
    with expect(ReceiverInbox(), head, message_id=7) as stream:
        assert len(take_all(stream, 25, 2)) == 24
    assert not ReceivedInstance.objects.exists() and list(tmp_path.glob("*.dcm")) == []


@pytest.mark.parametrize("originator", [7, None])
def test_doubles_are_counted_and_leave_nothing_behind(
    transactional_db, tmp_path: Path, head: Study, originator: int | None
):
    """Where nobody can list the series, the server's count is checked with them."""
    rows_of(head, tmp_path, originator)
    rows_of(head, tmp_path, originator)
    with expect(ReceiverInbox(), head, message_id=7, sop_instance_uids=None) as stream:
        assert len(take_all(stream, 25, 2)) == 24
        assert stream.doubles == 24
    assert not ReceivedInstance.objects.exists() and list(tmp_path.glob("*.dcm")) == []


@pytest.mark.parametrize("originator", [7, None])
def test_another_content_of_what_was_taken_is_set_aside(
    transactional_db, tmp_path: Path, head: Study, originator: int | None
):
    rows_of(head, tmp_path, originator)
    with expect(ReceiverInbox(), head, message_id=7) as stream:
        taken = take_all(stream, 24)
        rows_of(head, tmp_path, originator)
        changed = ReceivedInstance.objects.filter(claimed_by=None).earliest("pk")
        ReceivedInstance.objects.filter(pk=changed.pk).update(sha256="0" * 64)
    assert len(taken) == 24 and stream.conflicting == {changed.sop_instance_uid}
    (left,) = ReceivedInstance.objects.all()
    assert left.pk == changed.pk
    assert left.conflicting and left.quarantined_at is not None


def test_a_copy_that_may_be_for_another_task_is_left_to_it(
    transactional_db, tmp_path: Path, head: Study
):
    with expect(ReceiverInbox(), head, message_id=1) as slow:
        rows_of(head, tmp_path, originator=None)
        rows_of(head, tmp_path, originator=None)
        with expect(ReceiverInbox(), head, message_id=2) as fast:
            assert len(take_all(fast, 25, 1)) == 24
            assert fast.doubles == 0
        assert len(take_all(slow, 24)) == 24


def test_what_a_worker_did_not_take_goes_back(transactional_db, tmp_path: Path, head: Study):
    rows_of(head, tmp_path, originator=None)
    with expect(ReceiverInbox(), head) as stream:
        assert stream.take(1)
    assert ReceivedInstance.objects.filter(claimed_by=None).count() == 23
    with expect(ReceiverInbox(), head) as stream:
        assert len(take_all(stream, 23)) == 23


def test_a_row_that_lost_its_file_is_asked_for_again(
    transactional_db, tmp_path: Path, settings, head: Study
):
    settings.FILE_TRANSMIT_KEY = "key"
    rows_of(head, tmp_path, originator=None)
    row = ReceivedInstance.objects.first()
    assert row
    (tmp_path / row.path).write_bytes(b"")
    (tmp_path / row.path).unlink()
    server = FileTransmitServer(Spool(tmp_path), "key", socket.create_server(("127.0.0.1", 0)))
    server.start()
    Receiver.objects.update(file_transmit_port=server.port)
    try:
        with expect(ReceiverInbox(), head) as stream:
            assert len(take_all(stream, 23)) == 23
            rows_of(head, tmp_path, originator=None)
            assert [one.sop_instance_uid for one in take_all(stream, 1)] == [row.sop_instance_uid]
    finally:
        server.stop()


def test_claims_of_dead_workers_are_freed(transactional_db, tmp_path: Path, head: Study):
    rows_of(head, tmp_path, originator=None)
    ReceivedInstance.objects.update(claimed_by=uuid.uuid4(), claimed_at=timezone.now())
    assert housekeeping.release_lapsed_claims() == 24


def test_claims_of_living_workers_are_kept(transactional_db, tmp_path: Path, head: Study):
    rows_of(head, tmp_path, originator=None)
    for _ in range(8):  # the keys of their locks have either sign
        with expect(ReceiverInbox(), head) as stream:
            assert stream.take(1)
            held = ReceivedInstance.objects.exclude(claimed_by=None).count()
            assert held > 0
            assert housekeeping.release_lapsed_claims() == 0


def test_claims_that_nobody_refreshes_lapse(transactional_db, tmp_path: Path, head: Study):
    rows_of(head, tmp_path, originator=None)
    with expect(ReceiverInbox(), head) as stream:
        assert stream.take(1)
        long_ago = timezone.now() - timedelta(hours=2)
        held = ReceivedInstance.objects.exclude(claimed_by=None).update(claimed_at=long_ago)
        assert housekeeping.release_lapsed_claims() == held


@pytest.fixture
def pacs(receiver: ReceiverUnderTest, head: Study) -> Iterator[PacsDouble]:
    peers = {AE_TITLE: ("127.0.0.1", receiver.port)}
    with PacsDouble("SOURCE", instances=head.instances, peers=peers) as pacs:
        yield pacs


@pytest.mark.interop
def test_movescu_brings_a_study_through_receiver_and_inbox(
    receiver: ReceiverUnderTest, pacs: PacsDouble, head: Study
):
    done = dcmtk(
        "movescu", "-S", "-aet", "ADIT", "-aec", "SOURCE", "-aem", AE_TITLE,
        "127.0.0.1", pacs.port, "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={head.uid}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert {row.move_originator_ae_title for row in ReceivedInstance.objects.all()} == {"ADIT"}
    with expect(ReceiverInbox(), head) as stream:
        taken = {one.sop_instance_uid: one.sha256() for one in take_all(stream, 24)}
    assert taken == {
        ds.SOPInstanceUID: hashlib.sha256(held(pacs, ds)).hexdigest() for ds in head.instances
    }


def held(pacs: PacsDouble, ds: Dataset) -> bytes:
    return pacs.archive.get(ds.SOPInstanceUID).encoded()

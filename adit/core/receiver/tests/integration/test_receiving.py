"""What senders send is kept, byte for byte, before they are told so."""

import contextlib
import hashlib
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from pynetdicom import AE, build_context
from pynetdicom.dimse_primitives import C_STORE

from adit.core.dicom.part10 import read_part10
from adit.core.models import ReceivedInstance, Receiver
from adit.stack.ports import wait_until

from .conftest import AE_TITLE, ReceiverUnderTest, Store, Study, dcmtk, send

pytestmark = [pytest.mark.integration, pytest.mark.processes, pytest.mark.interop]


def test_it_answers_an_echo(receiver: ReceiverUnderTest):
    assert dcmtk("echoscu", "-aec", AE_TITLE, "127.0.0.1", receiver.port).returncode == 0


def test_it_refuses_calls_for_somebody_else(receiver: ReceiverUnderTest):
    done = dcmtk("echoscu", "-aec", "SOMEBODY", "127.0.0.1", receiver.port)
    assert "Called AE Title Not Recognized" in done.stdout


def test_it_says_where_it_is(receiver: ReceiverUnderTest):
    row = Receiver.objects.get(name=receiver.name)
    assert Path(row.spool_path) == receiver.spool
    assert row.file_transmit_port == receiver.transmit_port


def test_a_study_lies_in_the_spool_byte_for_byte(
    receiver: ReceiverUnderTest, store: Store, head: Study
):
    done = store(head, "-aet", "SENDER")
    assert done.returncode == 0, done.stdout
    rows = {row.sop_instance_uid: row for row in ReceivedInstance.objects.all()}
    assert set(rows) == head.uids
    for uid, row in rows.items():
        sent = read_part10(head.folder / f"{uid}.dcm").read()
        kept = read_part10(receiver.spool / row.path)
        assert kept.read() == sent
        assert (row.size, row.sha256) == (len(sent), hashlib.sha256(sent).hexdigest())
        assert (row.study_instance_uid, row.series_instance_uid) == (head.uid, head.series_uid)
        assert (row.calling_ae_title, row.called_ae_title) == ("SENDER", AE_TITLE)
        assert row.move_originator_message_id is None


@pytest.mark.parametrize("option", ["-xr", "-xw"])
def test_compressed_instances_are_kept_as_they_are(
    receiver: ReceiverUnderTest, compressed: Study, option: str, tmp_path: Path
):
    syntax = {"-xr": "1.2.840.10008.1.2.5", "-xw": "1.2.840.10008.1.2.4.90"}[option]
    files = [path for path in compressed.folder.iterdir() if syntax in str(read_part10(path))]
    arguments = ("-aec", AE_TITLE, "127.0.0.1", receiver.port, *files)
    if option == "-xw":
        arguments = ("-xv", *arguments)
        option = "-xv"
    done = dcmtk("storescu", option, *arguments)
    assert done.returncode == 0, done.stdout
    assert {row.transfer_syntax_uid for row in ReceivedInstance.objects.all()} == {syntax}
    for row in ReceivedInstance.objects.all():
        sent = read_part10(compressed.folder / f"{row.sop_instance_uid}.dcm")
        assert read_part10(receiver.spool / row.path).read() == sent.read()


def test_private_and_retired_classes_are_taken_and_queries_are_not(receiver: ReceiverUnderTest):
    ae = AE("TESTER")
    classes = ["1.3.12.2.1107.5.9.1", "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.2.2.1"]
    assoc = ae.associate(
        "127.0.0.1",
        receiver.port,
        contexts=[build_context(uid) for uid in classes],
        ae_title=AE_TITLE,
    )
    assert [str(cx.abstract_syntax) for cx in assoc.accepted_contexts] == classes[:2]
    assoc.release()


def test_move_originator_is_kept(receiver: ReceiverUnderTest, head: Study):
    ae = AE("TESTER")
    ds = head.instances[0]
    assoc = ae.associate(
        "127.0.0.1",
        receiver.port,
        contexts=[build_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)],
        ae_title=AE_TITLE,
    )
    status = assoc.send_c_store(ds, originator_aet="ADIT_X Y", originator_id=4711)
    assert status.Status == 0
    assoc.release()
    row = ReceivedInstance.objects.get()
    assert (row.move_originator_ae_title, row.move_originator_message_id) == ("ADIT_X Y", 4711)


def test_a_data_set_that_cannot_be_read_is_kept_all_the_same(receiver: ReceiverUnderTest):
    junk = bytes(range(256)) * 40
    assert send_raw(receiver, junk) == 0x0000
    row = ReceivedInstance.objects.get()
    assert row.study_instance_uid == ""
    assert read_part10(receiver.spool / row.path).read() == junk


def send_raw(receiver: ReceiverUnderTest, data: bytes) -> int | None:
    from io import BytesIO

    assoc = AE("TESTER").associate(
        "127.0.0.1",
        receiver.port,
        contexts=[build_context("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")],
        ae_title=AE_TITLE,
    )
    request = C_STORE()
    request.MessageID = 1
    request.Priority = 2
    request.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    request.AffectedSOPInstanceUID = "1.2.3"
    request.DataSet = BytesIO(data)
    assoc._reactor_checkpoint.clear()
    while not assoc._is_paused:
        time.sleep(0.001)
    assoc.dimse.send_msg(request, 1)
    _, response = assoc.dimse.get_msg(block=True)
    assoc._reactor_checkpoint.set()
    assoc.release()
    return response.Status if isinstance(response, C_STORE) else None


def test_junk_on_the_port_harms_nobody(receiver: ReceiverUnderTest, store: Store, head: Study):
    with socket.create_connection(("127.0.0.1", receiver.port)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
        sock.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(10)[:1] in (b"", b"\x07")
    assert store(head).returncode == 0


def test_many_senders_at_once_lose_nothing(
    receiver: ReceiverUnderTest, store: Store, head: Study, large: Study
):
    codes: list[int] = []
    studies = [head, large, head, large]
    threads = [
        threading.Thread(target=lambda study=study: codes.append(store(study).returncode))
        for study in studies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 4
    assert ReceivedInstance.objects.count() == 2 * (24 + 312)
    assert len(receiver.files()) == 2 * (24 + 312)


def test_it_stops_cleanly(mortal_receiver: ReceiverUnderTest, head: Study):
    receiver = mortal_receiver
    send(receiver, head)
    assert receiver.stop() == 0
    assert len(receiver.files()) == 24
    assert list(receiver.spool.glob("*.part")) == []


def test_below_the_reserve_it_answers_a700(transactional_db, tmp_path: Path, head: Study):
    receiver = ReceiverUnderTest(tmp_path, SPOOL_RESERVE_MB="100000000")
    receiver.start()
    try:
        arguments = ("-aec", AE_TITLE, "127.0.0.1", receiver.port, "+sd", head.folder)
        done = dcmtk("storescu", "-v", *arguments)
        assert "Refused: OutOfResources" in done.stdout
        assert not ReceivedInstance.objects.exists() and receiver.files() == []
    finally:
        receiver.stop()


def test_a_second_receiver_does_not_touch_the_spool_of_a_living_one(receiver: ReceiverUnderTest):
    second = ReceiverUnderTest(receiver.spool.parents[1], RECEIVER_NAME=receiver.name)
    with pytest.raises(AssertionError, match="in use by another receiver"):
        second.start()


def test_a_second_receiver_of_the_same_name_waits_for_the_end_of_the_first(
    mortal_receiver: ReceiverUnderTest, tmp_path: Path, head: Study
):
    """It would take the rows of the first for its own that have lost their files."""
    first = mortal_receiver
    second = ReceiverUnderTest(tmp_path / "second", RECEIVER_NAME=first.name)
    starting = threading.Thread(target=second.start)
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "receiver.log").touch()
    starting.start()
    try:
        wait_until(lambda: f"Another receiver named {first.name} lives" in second.log(), "it waits")
        assert send(first, head).returncode == 0
        assert ReceivedInstance.objects.count() == len(first.files()) == 24
        first.stop()
        starting.join(60)
        assert send(second, head).returncode == 0
    finally:
        starting.join(60)
        second.stop()


def test_every_success_survives_a_kill(mortal_receiver: ReceiverUnderTest, large: Study):
    """What storescu was told to be stored is there after SIGKILL and a new start."""
    receiver = mortal_receiver
    output: list[str] = []
    sender = threading.Thread(target=lambda: output.append(send(receiver, large, "-v").stdout))
    sender.start()
    while ReceivedInstance.objects.count() < 60:
        time.sleep(0.002)
    receiver.stop(signal.SIGKILL)
    sender.join()
    (receiver.spool / "leftover.part").write_bytes(b"half")
    orphan = receiver.spool / f"{'0' * 32}.dcm"
    orphan.write_bytes(b"never answered")
    lost = ReceivedInstance.objects.order_by("pk").first()
    assert lost
    (receiver.spool / lost.path).unlink()
    receiver.start()
    answered = output[0].count("Received Store Response (Success)")
    rows = list(ReceivedInstance.objects.all())
    assert 60 <= answered <= len(rows) + 1
    assert lost.pk not in [row.pk for row in rows]
    assert {path.name for path in receiver.files()} == {row.path for row in rows}
    assert not orphan.exists() and list(receiver.spool.glob("*.part")) == []
    for row in rows:
        kept = read_part10(receiver.spool / row.path)
        assert kept.sha256() == row.sha256

"""The rules of the upper layer (PS3.8 9.2) are kept, whatever a peer does."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from adit.core.receiver import session as session_module
from adit.core.receiver import wire

from .peer import (
    ABORT,
    COMMAND,
    CT,
    DATA,
    LAST_COMMAND,
    LAST_DATA,
    RELEASE_RP,
    RELEASE_RQ,
    STORE,
    SYNTAX,
    SessionUnderTest,
    association_request,
    data_pdu,
)

CONTENT = bytes(range(256)) * 100
IMPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[SessionUnderTest]:
    under_test = SessionUnderTest(tmp_path)
    yield under_test
    under_test.peer.close()
    under_test.thread.join(20)
    assert not under_test.thread.is_alive()
    assert under_test.leftovers() == []


def send_store(receiver: SessionUnderTest, *fragments: bytes) -> None:
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE)))
    for number, fragment in enumerate(fragments, 1):
        kind = LAST_DATA if number == len(fragments) else DATA
        receiver.peer.sendall(data_pdu((1, kind, fragment)))


def kept(receiver: SessionUnderTest) -> bytes:
    (arrival,) = receiver.arrivals
    return receiver.spool.path(arrival.file.name).read_bytes()[arrival.file.offset :]


def is_aborted(receiver: SessionUnderTest) -> bool:
    """Whether the receiver says A-ABORT next, and then closes the connection."""
    return receiver.read()[0] == 0x07 and receiver.read()[0] == 0


def test_an_instance_is_kept_and_the_association_released(receiver: SessionUnderTest):
    receiver.associate()
    send_store(receiver, CONTENT)
    assert receiver.status() == 0
    assert kept(receiver) == CONTENT
    receiver.peer.sendall(RELEASE_RQ)
    assert receiver.read() == (0x06, bytes(4))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 255, 1001])
def test_fragments_of_any_size_make_the_same_bytes(receiver: SessionUnderTest, size: int):
    content = CONTENT[:3000]
    receiver.associate()
    send_store(receiver, *(content[i : i + size] for i in range(0, len(content), size)))
    assert receiver.status() == 0
    assert kept(receiver) == content


def test_many_values_in_one_pdu_are_read(receiver: SessionUnderTest):
    receiver.associate()
    half = len(STORE) // 2
    receiver.peer.sendall(
        data_pdu(
            (1, COMMAND, STORE[:half]),
            (1, LAST_COMMAND, STORE[half:]),
            (1, DATA, CONTENT[:5000]),
            (1, DATA, b""),
            (1, LAST_DATA, CONTENT[5000:]),
        )
    )
    assert receiver.status() == 0
    assert kept(receiver) == CONTENT


def test_bytes_that_come_one_by_one_are_enough(receiver: SessionUnderTest):
    receiver.associate()
    message = data_pdu((1, LAST_COMMAND, STORE)) + data_pdu((1, LAST_DATA, CONTENT[:300]))
    for position in range(len(message)):
        receiver.peer.sendall(message[position : position + 1])
    assert receiver.status() == 0
    assert kept(receiver) == CONTENT[:300]


def test_several_instances_follow_one_another_without_waiting(receiver: SessionUnderTest):
    receiver.associate()
    message = data_pdu((1, LAST_COMMAND, STORE)) + data_pdu((1, LAST_DATA, CONTENT))
    receiver.peer.sendall(message * 5)
    assert [receiver.status() for _ in range(5)] == [0] * 5
    assert len(receiver.arrivals) == 5


def test_an_empty_data_set_is_refused(receiver: SessionUnderTest):
    receiver.associate()
    send_store(receiver, b"")
    assert receiver.status() == 0xC000
    send_store(receiver, CONTENT)
    assert receiver.status() == 0 and kept(receiver) == CONTENT


def sop_uids(class_uid: bytes, instance_uid: bytes, syntax: str) -> bytes:
    values = ((0x16, class_uid), (0x18, instance_uid))
    if syntax == IMPLICIT:
        heads = [struct.pack("<HHL", 8, number, len(value)) for number, value in values]
    else:
        order = ">" if syntax == BIG else "<"
        heads = [struct.pack(f"{order}HH2sH", 8, n, b"UI", len(value)) for n, value in values]
    return b"".join(head + value for head, (_, value) in zip(heads, values, strict=True))


@pytest.mark.parametrize("syntax", [SYNTAX, IMPLICIT, BIG])
@pytest.mark.parametrize(
    ("instance_uid", "status"),
    [
        (b"1.2.3.4\0", 0),
        (b"1.2.3.4 ", 0),
        (b"", 0),
        (b"1.2.3.40", 0xA900),
        (b"1.2.3.", 0xA900),
    ],
)
def test_a_data_set_of_another_instance_than_the_command_is_refused(
    receiver: SessionUnderTest, syntax: str, instance_uid: bytes, status: int
):
    receiver.associate((1, CT, syntax))
    send_store(receiver, sop_uids(CT.encode() + b"\0", instance_uid, syntax))
    assert receiver.status() == status
    assert len(receiver.arrivals) == (not status)


def test_a_data_set_of_another_class_than_the_command_is_kept(receiver: SessionUnderTest):
    """Some senders put it wrong; a task takes the data set's own."""
    receiver.associate()
    send_store(receiver, sop_uids(b"1.2.840.10008.5.1.4.1.1.4\0", b"1.2.3.4\0", SYNTAX))
    assert receiver.status() == 0


@pytest.mark.parametrize(
    "pdu",
    [ABORT, RELEASE_RQ, b""],
    ids=["abort", "release", "closed"],
)
def test_what_ends_within_a_data_set_leaves_nothing(receiver: SessionUnderTest, pdu: bytes):
    receiver.associate()
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE)) + data_pdu((1, DATA, CONTENT)) + pdu)
    assert receiver.ended()
    assert receiver.arrivals == []


@pytest.mark.parametrize(
    "message",
    [
        association_request(),
        RELEASE_RP,
        struct.pack(">BxL4x", 0x03, 4),
        struct.pack(">BxL", 0x08, 0),
        struct.pack(">BxL", 0x00, 0),
        struct.pack(">BxL", 0x04, 0xFFFFFFFF),
        struct.pack(">BxL", 0x04, wire.MAXIMUM_PDU + 4096),
        struct.pack(">BxL", 0x04, 3) + b"abc",
        struct.pack(">BxLLBB", 0x04, 6, 500, 1, 3),
        struct.pack(">BxLLBB", 0x04, 6, 1, 1, 3),
        data_pdu((1, LAST_DATA, CONTENT)),
        data_pdu((3, LAST_COMMAND, STORE)),
        data_pdu((1, LAST_COMMAND, b"junk")),
        data_pdu((1, LAST_COMMAND, b"")),
        data_pdu((1, COMMAND, STORE), (3, LAST_COMMAND, STORE)),
        data_pdu((1, LAST_COMMAND, STORE), (1, LAST_COMMAND, STORE)),
        data_pdu((1, LAST_COMMAND, STORE), (3, LAST_DATA, CONTENT)),
        data_pdu((1, COMMAND, bytes(60000))) + data_pdu((1, COMMAND, bytes(60000))),
    ],
)
def test_what_breaks_the_rules_is_answered_by_an_abort(receiver: SessionUnderTest, message: bytes):
    receiver.associate()
    receiver.peer.sendall(message)
    assert is_aborted(receiver)
    assert receiver.arrivals == []


@pytest.mark.parametrize(
    "message",
    [
        RELEASE_RQ,
        data_pdu((1, LAST_COMMAND, STORE)),
        struct.pack(">BxL", 0x01, 1 << 24),
        struct.pack(">BxL", 0x01, 10) + bytes(10),
        association_request()[:6] + b"\xff" * (len(association_request()) - 6),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_by_an_abort(receiver: SessionUnderTest, message: bytes):
    receiver.peer.sendall(message)
    assert is_aborted(receiver)


def test_a_peer_that_says_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wire, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(session_module, "REQUEST_SECONDS", 0.2)
    receiver = SessionUnderTest(tmp_path)
    assert is_aborted(receiver)


def test_a_peer_that_stops_within_a_data_set_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wire, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(session_module, "SILENCE_SECONDS", 0.2)
    receiver = SessionUnderTest(tmp_path)
    receiver.associate()
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE)) + data_pdu((1, DATA, CONTENT)))
    assert is_aborted(receiver)
    assert receiver.ended() and receiver.leftovers() == []


def test_a_pdu_that_trickles_in_is_not_awaited_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wire, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(session_module, "PDU_SECONDS", 0.3)
    receiver = SessionUnderTest(tmp_path)
    receiver.associate()
    try:
        for byte in data_pdu((1, LAST_COMMAND, STORE)) * 50:
            receiver.peer.sendall(bytes([byte]))
            receiver.thread.join(0.05)
            if not receiver.thread.is_alive():
                break
    except ConnectionError:
        pass
    receiver.thread.join(20)
    assert not receiver.thread.is_alive() and receiver.leftovers() == []


def test_a_uid_that_is_none_is_refused_after_the_data_set(receiver: SessionUnderTest):
    from adit.core.dicom.dimse.commands import store_request

    receiver.associate()
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, store_request(1, CT, "1." * 40))))
    receiver.peer.sendall(data_pdu((1, LAST_DATA, CONTENT)))
    assert receiver.status() == 0x0110
    send_store(receiver, CONTENT)
    assert receiver.status() == 0


def test_a_syntax_that_nobody_knows_is_taken(receiver: SessionUnderTest):
    receiver.associate((1, "1.3.12.2.1107.5.9.1", "1.2.999.77.1"))
    send_store(receiver, CONTENT)
    assert receiver.status() == 0
    assert receiver.arrivals[0].transfer_syntax_uid == "1.2.999.77.1"


def test_a_full_disk_is_told_and_overcome(receiver: SessionUnderTest):
    receiver.associate()
    receiver.spool._reserve = 1 << 60
    send_store(receiver, CONTENT)
    assert receiver.status() == 0xA700
    receiver.spool._reserve, receiver.spool._checked_at = 0, 0.0
    send_store(receiver, CONTENT)
    assert receiver.status() == 0
    assert len(receiver.arrivals) == 1


def test_a_disk_that_fills_within_a_large_object_is_told(
    receiver: SessionUnderTest, monkeypatch: pytest.MonkeyPatch
):
    receiver.associate()
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE)))
    for number in range(60):
        receiver.peer.sendall(data_pdu((1, DATA, bytes(100_000))))
        if number == 20:
            monkeypatch.setattr(receiver.spool, "has_space", lambda: False)
    receiver.peer.sendall(data_pdu((1, LAST_DATA, b"")))
    assert receiver.status() == 0xA700
    assert receiver.arrivals == []


def test_when_the_row_cannot_be_written_the_sender_is_told(
    receiver: SessionUnderTest, monkeypatch: pytest.MonkeyPatch
):
    def fail(arrival: object) -> None:
        raise OSError("no database")

    monkeypatch.setattr(receiver.session, "_keep", fail)
    receiver.associate()
    send_store(receiver, CONTENT)
    assert receiver.status() == 0xA700


def test_a_stop_waits_for_what_is_arriving(receiver: SessionUnderTest):
    receiver.associate()
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE)) + data_pdu((1, DATA, CONTENT)))
    while not receiver.session.is_receiving:
        receiver.thread.join(0.01)
    receiver.session.stop()
    receiver.peer.sendall(data_pdu((1, LAST_DATA, CONTENT)))
    assert receiver.status() == 0
    assert is_aborted(receiver)
    assert kept(receiver) == CONTENT * 2


def test_a_stop_ends_an_idle_association(receiver: SessionUnderTest):
    receiver.associate()
    receiver.session.stop()
    assert is_aborted(receiver)


def test_more_contexts_than_one_keep_their_syntaxes(receiver: SessionUnderTest):
    other = "1.2.840.10008.1.2.4.70"
    receiver.associate((1, CT, SYNTAX), (3, CT, other))
    receiver.peer.sendall(data_pdu((3, LAST_COMMAND, STORE), (3, LAST_DATA, CONTENT)))
    assert receiver.status() == 0
    assert receiver.arrivals[0].transfer_syntax_uid == other

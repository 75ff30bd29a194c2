"""An odd item of an association request costs itself and nothing else."""

import struct

import pytest

from adit.core.receiver import session as session_module
from adit.core.receiver.acceptance import accept
from adit.core.receiver.association_requests import MalformedRequest, read_request

from .peer import (
    ABORT,
    APPLICATION,
    CT,
    DATA,
    LAST_COMMAND,
    LAST_DATA,
    STORE,
    SYNTAX,
    SessionUnderTest,
    data_pdu,
    item,
)

TITLES = b"ADIT_RECEIVER".ljust(16) + b"PEER".ljust(16)
MAXIMUM = item(0x51, struct.pack(">L", 16384))
CLASS = item(0x52, b"1.2.3")


@pytest.fixture
def receiver(tmp_path):
    under_test = SessionUnderTest(tmp_path)
    yield under_test
    under_test.peer.close()
    under_test.thread.join(20)


def context(number: int, abstract: bytes, *syntaxes: bytes) -> bytes:
    names = item(0x30, abstract) + b"".join(item(0x40, syntax) for syntax in syntaxes)
    return item(0x20, struct.pack(">Bxxx", number) + names)


GOOD = context(1, CT.encode(), SYNTAX.encode())


def request(contexts: bytes = GOOD, user: bytes = MAXIMUM + CLASS, titles: bytes = TITLES) -> bytes:
    body = struct.pack(">Hxx", 1) + titles + bytes(32) + item(0x10, APPLICATION) + contexts
    body += item(0x50, user)
    return struct.pack(">BxL", 0x01, len(body)) + body


def results_of(accepted: bytes) -> dict[int, int]:
    """Results by context ID in the body of an A-ASSOCIATE-AC (PS3.8 9.3.3.2)."""
    found, position = {}, 68
    while position < len(accepted):
        kind, length = struct.unpack_from(">BxH", accepted, position)
        if kind == 0x21:
            found[accepted[position + 4]] = accepted[position + 6]
        position += 4 + length
    return found


ODD = {
    "unknown user item": request(user=MAXIMUM + CLASS + item(0x99, b"abc")),
    "unknown item": request(GOOD + item(0x77, b"abc")),
    "long version name": request(user=MAXIMUM + CLASS + item(0x55, b"x" * 40)),
    "version name beyond ASCII": request(user=MAXIMUM + CLASS + item(0x55, b"\xff\xfe")),
    "class UID that is none": request(user=MAXIMUM + item(0x52, b"abc")),
    "no user information": request(user=b""),
    "role cut off": request(user=MAXIMUM + CLASS + item(0x54, b"\0\x05ab")),
    "title padded with NUL": request(titles=TITLES.replace(b" ", b"\0")),
    "context without syntax": request(context(3, CT.encode()) + GOOD),
    "abstract syntax too long": request(context(3, b"1." + b"2" * 64, SYNTAX.encode()) + GOOD),
    "abstract syntax beyond ASCII": request(context(3, b"1.2.\xff", SYNTAX.encode()) + GOOD),
    "no abstract syntax": request(context(3, b"", SYNTAX.encode()) + GOOD),
    "even context ID": request(context(2, CT.encode(), SYNTAX.encode()) + GOOD),
    "context ID twice": request(GOOD + context(1, b"1.2.840.10008.1.1", SYNTAX.encode())),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_item_costs_itself(receiver: SessionUnderTest, name: str):
    receiver.peer.sendall(ODD[name])
    kind, body = receiver.read()
    assert kind == 0x02
    results = results_of(body)
    assert results.pop(1) == 0
    assert 0 not in results.values()
    assert body[4:36] == ODD[name][10:42]
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE), (1, DATA, b"ab"), (1, LAST_DATA, b"")))
    assert receiver.status() == 0x0000
    assert [arrival.called_ae_title for arrival in receiver.arrivals] == ["ADIT_RECEIVER"]
    assert [arrival.calling_ae_title for arrival in receiver.arrivals] == ["PEER"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(67),
        request()[6:-3],
        request(item(0x20, b"\1\0"))[6:],
        request(item(0x20, b"\1\0\0\0" + struct.pack(">BxH", 0x30, 99) + b"1"))[6:],
    ],
)
def test_what_cannot_be_read_is_no_request(receiver: SessionUnderTest, body: bytes):
    with pytest.raises(MalformedRequest):
        read_request(body)
    receiver.peer.sendall(struct.pack(">BxL", 0x01, len(body)) + body)
    assert receiver.read()[0] == ABORT[0]


def test_the_same_request_is_read_and_answered_once():
    body = request()[6:]
    proposal = read_request(body)
    assert read_request(bytes(bytearray(body))) is proposal
    assert accept(proposal, 16384) is accept(proposal, 16384)
    assert accept(proposal, 16384).pdu != accept(proposal, 8192).pdu
    other = read_request(request(titles=TITLES[::-1])[6:])
    assert accept(other, 16384).pdu[10:42] == TITLES[::-1]


def test_who_is_no_longer_welcome_is_told_at_the_next_instance(
    receiver: SessionUnderTest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session_module, "_WELCOME_SECONDS", 0)
    welcome = [True]
    receiver.session._may_send = lambda proposal: welcome[0]
    receiver.associate()
    message = data_pdu((1, LAST_COMMAND, STORE), (1, DATA, b"ab"), (1, LAST_DATA, b""))
    for answer, status in ((True, 0x0000), (False, 0x0124), (True, 0x0000)):
        welcome[0] = answer
        receiver.peer.sendall(message)
        assert receiver.status() == status
    assert len(receiver.arrivals) == 2
    assert receiver.leftovers() == []

"""How long a peer may hold a place, and how much memory, for how little."""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adit.core.receiver import session as session_module
from adit.core.receiver import wire

from .peer import (
    COMMAND,
    DATA,
    LAST_COMMAND,
    LAST_DATA,
    RELEASE_RQ,
    STORE,
    SessionUnderTest,
    data_pdu,
)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[SessionUnderTest]:
    under_test = SessionUnderTest(tmp_path)
    yield under_test
    under_test.peer.close()
    under_test.thread.join(20)


def test_pdus_with_next_to_nothing_in_them_hold_no_place(
    receiver: SessionUnderTest, monkeypatch: pytest.MonkeyPatch
):
    """Each PDU comes in time, and so does the next one."""
    monkeypatch.setattr(session_module, "SILENCE_SECONDS", 1.0)
    receiver.associate()
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE)))
    assert_ends_while(receiver, lambda: data_pdu((1, DATA, b"x")))


def test_empty_fragments_do_not_keep_an_idle_association(
    receiver: SessionUnderTest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session_module, "IDLE_SECONDS", 1.0)
    receiver.associate()
    assert_ends_while(receiver, lambda: data_pdu((1, COMMAND, b"")))


def assert_ends_while(receiver: SessionUnderTest, pdu: Callable[[], bytes]) -> None:
    begin = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while receiver.thread.is_alive() and time.monotonic() < begin + 10:
            receiver.peer.sendall(pdu())
            time.sleep(0.3)
    receiver.thread.join(5)
    assert not receiver.thread.is_alive()
    assert time.monotonic() < begin + 10


def test_what_comes_at_a_decent_rate_may_take_longer(
    receiver: SessionUnderTest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session_module, "SILENCE_SECONDS", 1.0)
    receiver.associate()
    receiver.peer.sendall(data_pdu((1, LAST_COMMAND, STORE)))
    for _ in range(8):
        receiver.peer.sendall(data_pdu((1, DATA, bytes(1024))))
        time.sleep(0.3)
    receiver.peer.sendall(data_pdu((1, LAST_DATA, b"the end")))
    assert receiver.status() == 0


def test_who_only_announces_much_takes_no_memory():
    """Before somebody has said who it is."""
    own, peer = socket.socketpair()
    with own, peer:
        wire.prepare(own, 5)
        source = wire.PduSource(own)
        peer.sendall(struct.pack(">BxL", 0x01, wire.LARGEST_REQUEST) + bytes(1000))
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError):
            source.read(5, 5)
        assert len(source._buffer) < 16 * 1024


@pytest.mark.parametrize("size", [1000, 8186, 8187, 50_000, 1 << 20])
def test_a_request_of_any_size_is_read_whole(size: int):
    own, peer = socket.socketpair()
    body = os.urandom(size)
    with own, peer:
        wire.prepare(own, 5)
        source = wire.PduSource(own)
        sender = threading.Thread(
            target=peer.sendall, args=(struct.pack(">BxL", 0x01, size) + body + RELEASE_RQ,)
        )
        sender.start()
        kind, read = source.read(5, 5)
        assert (kind, bytes(read)) == (0x01, body)
        source.negotiated()
        assert source.read(5, 5)[0] == 0x05
        sender.join()

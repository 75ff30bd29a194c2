"""FileTransmit hands out files to those who have the key, and survives breaks."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adit.core.receiver import client as client_module
from adit.core.receiver.client import FileMissing, FileTransmitClient
from adit.core.receiver.protocol import (
    AuthenticationError,
    Channel,
    TransmitBroken,
    TransmitError,
)
from adit.core.receiver.server import FileTransmitServer
from adit.core.receiver.spool import Spool

KEY = "a key that both know"
NAME = "0123456789abcdef0123456789abcdef.dcm"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.path(NAME).write_bytes(os.urandom(3_000_001))
    return spool


@pytest.fixture
def server(spool: Spool) -> Iterator[FileTransmitServer]:
    server = FileTransmitServer(spool, KEY, socket.create_server(("127.0.0.1", 0)))
    server.start()
    yield server
    server.stop()


def client(server: FileTransmitServer, key: str = KEY) -> FileTransmitClient:
    return FileTransmitClient("127.0.0.1", server.port, key)


def test_a_file_comes_whole_and_stays_until_it_is_acknowledged(
    server: FileTransmitServer, spool: Spool
):
    content = spool.path(NAME).read_bytes()
    with client(server) as worker:
        for _ in range(2):
            got = bytearray()
            assert worker.fetch(NAME, got.extend) == len(content)
            assert got == content
        worker.acknowledge(NAME)
        assert not spool.path(NAME).exists()
        worker.acknowledge(NAME)
        with pytest.raises(FileMissing):
            worker.fetch(NAME, got.extend)


def test_an_empty_file_comes_too(server: FileTransmitServer, spool: Spool):
    spool.path(NAME).write_bytes(b"")
    with client(server) as worker:
        assert worker.fetch(NAME, bytearray().extend) == 0


def test_a_wrong_key_gets_nothing(server: FileTransmitServer, spool: Spool):
    with client(server, "another key") as worker, pytest.raises(AuthenticationError):
        worker.fetch(NAME, bytearray().extend)
    assert spool.path(NAME).exists()


def test_a_false_receiver_is_recognised():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def pretend() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"ADITFT1\n" + bytes(32))
                sock.recv(64)
                sock.sendall(bytes(32))

        threading.Thread(target=pretend, daemon=True).start()
        with (
            socket.create_connection(listener.getsockname()) as sock,
            pytest.raises(AuthenticationError),
        ):
            Channel.connect(sock, KEY)


def test_a_message_that_was_altered_or_repeated_is_refused():
    left, right = socket.socketpair()
    with left, right:
        made: list[Channel] = []
        thread = threading.Thread(target=lambda: made.append(Channel.accept(left, KEY)))
        thread.start()
        worker = Channel.connect(right, KEY)
        thread.join()
        worker.send({"get": NAME, "offset": 0})
        frame = left.recv(4096)
        relay_in, relay_out = socket.socketpair()
        with relay_in, relay_out:
            made[0].socket = relay_out
            relay_in.sendall(frame)
            assert made[0].receive() == {"get": NAME, "offset": 0}
            relay_in.sendall(frame)
            with pytest.raises(AuthenticationError):
                made[0].receive()


@pytest.mark.parametrize("name", ["../owner.lock", "owner.lock", "/etc/passwd"])
def test_no_file_outside_of_the_spool_is_given(server: FileTransmitServer, name: str):
    with client(server) as worker, pytest.raises(TransmitError):
        worker.fetch(name, bytearray().extend)


def test_a_transfer_resumes_after_every_break(server: FileTransmitServer, spool: Spool):
    content = os.urandom(24_000_000)
    spool.path(NAME).write_bytes(content)
    got, breaks = bytearray(), []

    def write(piece: bytes) -> None:
        got.extend(piece)
        if len(got) > 4_000_000 * (len(breaks) + 1):
            breaks.append(len(got))
            server.close_connections()

    with client(server) as worker:
        assert worker.fetch(NAME, write) == len(content)
    assert bytes(got) == content
    assert len(breaks) >= 2


def test_a_link_that_breaks_again_and_again_is_given_up(
    server: FileTransmitServer, spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    """Each connection brings a little."""
    monkeypatch.setattr(client_module, "_WAITS", (0.01,) * 6)
    connections = []

    class Breaking(FileTransmitClient):
        def _piece(self, channel: Channel, most: int) -> bytes:
            if channel in connections:
                raise TransmitBroken("The connection broke.")
            connections.append(channel)
            return super()._piece(channel, min(most, 140))

    got = bytearray()
    with Breaking("127.0.0.1", server.port, KEY) as worker, pytest.raises(TransmitError):
        worker.fetch(NAME, got.extend)
    assert len(connections) == 7 and len(got) == 7 * 140


def test_a_transfer_resumes_with_a_restarted_receiver(server: FileTransmitServer, spool: Spool):
    content = os.urandom(24_000_000)
    spool.path(NAME).write_bytes(content)
    got, restarted = bytearray(), []

    def write(piece: bytes) -> None:
        got.extend(piece)
        if not restarted and len(got) > 2_000_000:
            restarted.append(True)
            server.stop()
            threading.Thread(target=start_again).start()

    port, others = server.port, []

    def start_again() -> None:
        time.sleep(0.3)
        others.append(FileTransmitServer(spool, KEY, socket.create_server(("127.0.0.1", port))))
        others[0].start()

    try:
        with client(server) as worker:
            worker.fetch(NAME, write)
    finally:
        others[0].stop()
    assert bytes(got) == content

"""Who has no key, or keeps to no protocol, harms FileTransmit nothing."""

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from adit.core.receiver import protocol
from adit.core.receiver.client import FileTransmitClient
from adit.core.receiver.protocol import Channel, TransmitError
from adit.core.receiver.server import FileTransmitServer
from adit.core.receiver.spool import Spool
from adit.stack.ports import wait_until

KEY = "a key that both know"
NAME = "0123456789abcdef0123456789abcdef.dcm"
CONTENT = os.urandom(300_000)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileTransmitServer]:
    spool = Spool(tmp_path / "spool")
    spool.path(NAME).write_bytes(CONTENT)
    server = FileTransmitServer(spool, KEY, socket.create_server(("127.0.0.1", 0)))
    server.start()
    yield server
    # The file is there, whatever happened, and can be had.
    got = bytearray()
    with FileTransmitClient("127.0.0.1", server.port, KEY) as client:
        client.fetch(NAME, got.extend)
    assert got == CONTENT
    server.stop()


def connect(server: FileTransmitServer) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.settimeout(20)
    return sock


def is_closed(sock: socket.socket) -> bool:
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 100_000])
def test_noise_ends_the_connection(server: FileTransmitServer, size: int):
    with connect(server) as sock:
        try:
            sock.sendall(random.Random(size).randbytes(size))
            sock.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        assert is_closed(sock)


def test_a_recorded_handshake_is_worth_nothing(server: FileTransmitServer):
    """The nonce of the receiver is another one each time."""
    recorded: list[bytes] = []

    class Recorder(socket.socket):
        def sendall(self, data, flags: int = 0) -> None:
            recorded.append(bytes(data))
            super().sendall(data, flags)

    with Recorder() as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", server.port))
        channel = Channel.connect(sock, KEY)
        channel.send({"acknowledge": "0" * 32 + ".dcm"})
        channel.receive()
    with connect(server) as sock:
        for data in recorded:
            try:
                sock.sendall(data)
            except ConnectionError:
                break
        assert is_closed(sock)


@pytest.mark.parametrize("length", [1 << 17, 1 << 40, (1 << 64) - 1])
def test_a_huge_length_takes_no_memory(server: FileTransmitServer, length: int):
    before = psutil.Process().memory_info().rss
    with connect(server) as sock:
        Channel.connect(sock, KEY)
        sock.sendall(struct.pack(">Q", length) + bytes(100))
        assert is_closed(sock)
    assert psutil.Process().memory_info().rss - before < 32 << 20


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"get": 5},
        {"get": NAME},
        {"get": NAME, "offset": -1},
        {"get": NAME, "offset": True},
        {"get": NAME, "offset": 1 << 70},
        {"acknowledge": "../owner.lock"},
        {"acknowledge": ["x"]},
    ],
)
def test_a_senseless_request_ends_the_connection(server: FileTransmitServer, message: dict):
    with connect(server) as sock:
        Channel.connect(sock, KEY).send(message)
        assert is_closed(sock)


def test_a_message_that_nests_without_end_is_no_error_of_the_receiver(
    server: FileTransmitServer, caplog: pytest.LogCaptureFixture
):
    with connect(server) as sock:
        channel = Channel.connect(sock, KEY)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(protocol.json, "dumps", lambda message: "[" * 60_000)
            channel.send({})
        assert is_closed(sock)
    wait_until(lambda: "a connection was ended" in caplog.text, "it is told in the log")
    assert "Traceback" not in caplog.text


def test_who_trickles_is_not_awaited_for_ever(
    server: FileTransmitServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(protocol, "HANDSHAKE_SECONDS", 0.5)
    with connect(server) as sock:
        started = time.monotonic()
        try:
            while time.monotonic() - started < 20:
                sock.sendall(b"x")
                time.sleep(0.1)
        except ConnectionError:
            pass
        assert time.monotonic() - started < 15


def test_many_silent_connections_keep_nobody_out(server: FileTransmitServer):
    silent = [connect(server) for _ in range(400)]
    wait_until(
        lambda: sum(t.name == "file-transmit-worker" for t in threading.enumerate()) < 100,
        "the threads stay few",
    )
    got = bytearray()
    with FileTransmitClient("127.0.0.1", server.port, KEY) as client:
        client.fetch(NAME, got.extend)
    assert got == CONTENT
    for sock in silent:
        sock.close()


def test_a_worker_takes_no_more_than_it_expects(server: FileTransmitServer):
    got = bytearray()
    with (
        FileTransmitClient("127.0.0.1", server.port, KEY) as client,
        pytest.raises(TransmitError),
    ):
        client.fetch(NAME, got.extend, largest=1000)
    assert not got

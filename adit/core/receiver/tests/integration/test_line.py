"""A connection to PostgreSQL that breaks, in whatever way, is made again."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from adit.core.receiver.line import DatabaseLine
from adit.core.receiver.registry import _check

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


class Proxy:
    """Stands between libpq and PostgreSQL."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                settings = connection.settings_dict
                server = socket.create_connection((settings["HOST"], int(settings["PORT"])))
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()

    def crash(self) -> None:
        """What a backend says and does when another one was killed (quickdie of PostgreSQL)."""
        fields = (b"SWARNING", b"VWARNING", b"C57P02", b"Mterminating connection because of crash")
        body = b"\0".join(fields) + b"\0\0"
        for client in self._clients:
            client.sendall(b"N" + struct.pack(">L", len(body) + 4) + body)
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


def answer(connection: psycopg.Connection) -> int:
    """As the registry asks: by libpq itself."""
    result = connection.pgconn.exec_(b"SELECT 42")
    _check(connection.pgconn, result)
    return int(result.get_value(0, 0) or 0)


def test_a_crash_while_nobody_asked_is_noticed_and_got_over(proxy: Proxy):
    line = DatabaseLine()
    line._wrapper.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(proxy.port)}
    assert line.run(answer) == 42
    proxy.crash()
    assert line.run(answer) == 42
    line.close()


def test_an_error_without_class_and_sqlstate_is_one_of_the_connection():
    """So it comes after some crashes, from a connection that looks sound."""
    line, errors = DatabaseLine(), [psycopg.DatabaseError("server closed the connection")]

    def work(connection: psycopg.Connection) -> int:
        if errors:
            raise errors.pop()
        return answer(connection)

    assert line.run(work) == 42
    line.close()


def test_any_error_of_a_connection_that_is_closed_then_is_one_of_the_connection():
    line = DatabaseLine()
    line.connection().close()

    def work(connection: psycopg.Connection) -> int:
        if connection.closed:
            raise psycopg.DataError("something of no sense")
        return answer(connection)

    assert line.run(work) == 42
    line.close()


def test_an_error_of_the_work_is_told_at_once():
    line, tries = DatabaseLine(), []

    def work(connection: psycopg.Connection) -> None:
        tries.append(1)
        connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.DataError):
        line.run(work)
    assert len(tries) == 1
    line.close()

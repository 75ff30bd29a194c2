"""How DICOMweb connects: a cancel ends it wherever it waits, and a slow head does not keep us."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import threading
import time

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    Query,
    ServerConfig,
    StoreProtocol,
    TlsConfig,
    TransientDicomError,
)
from adit.core.dicom.tests.samples import make_instance
from adit.core.dicom.tests.web_server import respond, web_server

pytestmark = pytest.mark.integration

LOCAL = LocalConfig(connect_timeout=20, network_timeout=20)


def config_at(port, scheme="http"):
    return ServerConfig(
        name="WEB",
        dicomweb_root_url=f"{scheme}://127.0.0.1:{port}/dicom-web",
        dicomweb_qido_support=True,
        dicomweb_stow_support=True,
        tls=TlsConfig() if scheme == "https" else None,
    )


@contextlib.contextmanager
def full_backlog():
    """A port at which nobody accepts, and which takes no connection any more."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as s:
        waiting = []
        for _ in range(6):
            sock = s.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        time.sleep(0.2)
        yield listener, waiting


def search(operator):
    list(operator.find_studies(Query()))


def store(operator):
    list(operator.store([make_instance()], protocol=StoreProtocol.STOW_RS))


def seconds_to_cancel(config, work, before_end=lambda: None):
    """How long work that hangs takes to end after a cancel."""
    token = CancelToken()
    ended = []

    def run():
        with DicomOperator(config, LOCAL, cancel=token) as operator, pytest.raises(Canceled):
            work(operator)
        ended.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.4)
    token.cancel()
    canceled = time.monotonic()
    before_end()
    thread.join(30)
    assert ended, "It did not end with Canceled."
    return ended[0] - canceled


@pytest.mark.clock
@pytest.mark.parametrize("work", [search, store])
def test_a_cancel_ends_the_opening_of_a_connection(work):
    with full_backlog() as (listener, _):
        assert seconds_to_cancel(config_at(listener.getsockname()[1]), work) < 2


@pytest.mark.clock
def test_a_server_that_accepts_after_the_cancel_keeps_nobody():
    with full_backlog() as (listener, waiting), contextlib.ExitStack() as accepted:

        def accept():
            listener.settimeout(5)

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        accepted.enter_context(listener.accept()[0])

            threading.Thread(target=serve, daemon=True).start()
            for sock in waiting:
                sock.close()

        config = config_at(listener.getsockname()[1])
        assert seconds_to_cancel(config, search, accept) < 2


@pytest.mark.clock
def test_a_cancel_ends_a_tls_handshake():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = config_at(listener.getsockname()[1], "https")
        assert seconds_to_cancel(config, search) < 2


@pytest.mark.clock
def test_a_cancel_ends_the_wait_for_an_answer():
    with web_server(lambda s, h, b: time.sleep(10)) as config:
        assert seconds_to_cancel(config, search) < 2


def test_a_request_after_the_cancel_is_not_sent():
    heads = []

    def answer(sock, head, _body):
        heads.append(head)
        respond(sock, 200, b"[]")

    token = CancelToken()
    with web_server(answer) as config, DicomOperator(config, LOCAL, cancel=token) as operator:
        search(operator)
        token.cancel()
        with pytest.raises(Canceled):
            search(operator)
    assert len(heads) == 1


def test_a_silent_tls_server_is_said_to_be_silent():
    local = LocalConfig(connect_timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = config_at(listener.getsockname()[1], "https")
        with (
            DicomOperator(config, local) as operator,
            pytest.raises(TransientDicomError, match="TLS handshake in time"),
        ):
            search(operator)


def test_a_host_name_that_nobody_knows_is_named_as_the_reason():
    config = dataclasses.replace(config_at(1), dicomweb_root_url="http://pacs.invalid/dicom-web")
    with DicomOperator(config, LOCAL) as operator, pytest.raises(TransientDicomError) as caught:
        search(operator)
    assert caught.value.code == "host name"


@pytest.mark.clock
def test_a_head_that_comes_too_slowly_is_left():
    def answer(sock, _head, _body):
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(60):
            sock.sendall(b"X: y\r\n")
            time.sleep(0.2)

    local = LocalConfig(network_timeout=1)
    with web_server(answer) as config, DicomOperator(config, local) as operator:
        started = time.monotonic()
        with pytest.raises(TransientDicomError) as caught:
            search(operator)
    assert caught.value.code == "timeout"
    assert time.monotonic() - started < 5


def test_the_limit_of_a_head_is_none_for_the_body():
    found = json.dumps([{"0020000E": {"vr": "UI", "Value": [f"1.{n}"]}} for n in range(5)])
    pieces = [b" " * 100_000] * 6 + [found.encode()]

    def answer(sock, _head, _body):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {sum(map(len, pieces))}\r\n"
        sock.sendall(f"{head}Connection: close\r\n\r\n".encode())
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(0.3)

    local = LocalConfig(network_timeout=1)
    with web_server(answer) as config, DicomOperator(config, local) as operator:
        assert len(list(operator.find_series(Query(study_instance_uid="1.2")))) == 5


@pytest.mark.parametrize(
    "value",
    ["Bearer sécret-token", "Bearer secret\nX-Evil: 1", "Bearer secret\r\n", "Bearer secret中"],
)
@pytest.mark.parametrize("work", [search, store])
def test_an_authorization_that_no_header_can_hold_is_an_error_that_does_not_show_it(value, work):
    with web_server(lambda s, h, b: respond(s, 200, b"[]")) as config:
        config = dataclasses.replace(config, dicomweb_authorization=value)
        with DicomOperator(config) as operator, pytest.raises(PermanentDicomError) as caught:
            work(operator)
    assert caught.value.code == "authorization"
    error: BaseException | None = caught.value
    while error is not None:
        assert "ecret" not in str(error) and "cret" not in repr(error)
        error = error.__cause__ or error.__context__

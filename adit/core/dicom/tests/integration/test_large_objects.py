"""An object of 300 MB passes through without being in memory, sent and received."""

import contextlib
import functools
import http.server
import subprocess
import sys
import threading

import pytest

from adit.core.dicom.tests.dcmtk import DcmtkServers
from adit.core.dicom.tests.large_object import (
    serve_get,
    stow_handler,
    wado_handler,
    write_large,
)
from adit.core.dicom.tests.scripted_peer import scripted
from adit.stack.ports import free_port

pytestmark = pytest.mark.integration

MEGABYTES = 300
MOST = 64 << 20


@pytest.fixture
def large(tmp_path):
    instance = write_large(tmp_path / "large.dcm", MEGABYTES)
    assert instance.size > MEGABYTES << 20
    return instance


def growth(way, port, folder):
    """What the memory of a process grew that moved the object."""
    done = subprocess.run(
        [sys.executable, "-m", "adit.core.dicom.tests.large_object", way, str(port), str(folder)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown, moved = map(int, done.stdout.split())
    assert moved > MEGABYTES << 20
    return grown


def test_sending_from_a_file_takes_little_memory(large, tmp_path):
    servers, port = DcmtkServers(), free_port()
    try:
        servers.start("storescp", "--ignore", port, port=port)
        assert growth("send", port, tmp_path) < MOST
    finally:
        servers.close()


def test_receiving_by_c_get_takes_little_memory(large, tmp_path):
    with scripted(functools.partial(serve_get, large), maximum=131072) as peer:
        assert growth("get", peer.port, tmp_path) < MOST


@contextlib.contextmanager
def web(handler):
    """The port of a DICOMweb server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_receiving_by_wado_takes_little_memory(large, tmp_path):
    with web(wado_handler(tmp_path / "large.dcm")) as port:
        assert growth("wado", port, tmp_path) < MOST


def test_sending_by_stow_takes_little_memory(large, tmp_path):
    received: list[int] = []
    with web(stow_handler(received)) as port:
        assert growth("stow", port, tmp_path) < MOST
    assert len(received) == 1 and received[0] > large.size

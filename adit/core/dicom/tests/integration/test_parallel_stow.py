"""Several STOW-RS requests at once."""

import dataclasses
import threading
import time

import pytest

from adit.core.dicom import Canceled, CancelToken, DicomOperator, LocalConfig
from adit.core.dicom.dicomweb import stow
from adit.core.dicom.tests.integration.test_gate import Gate
from adit.core.dicom.tests.samples import make_series
from adit.core.dicom.tests.web_server import respond, web_server

pytestmark = pytest.mark.integration

BATCH = 5


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(stow, "MAXIMUM_INSTANCES", BATCH)


class Server:
    """Says yes after a while, and counts how many requests it works on."""

    def __init__(self, seconds: float = 0.2) -> None:
        self.seconds = seconds
        self.now = self.most = 0
        self.at_once: list[int] = []
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()

    def __call__(self, sock, _head, body):
        with self.lock:
            self.now += 1
            self.at_once.append(self.now)
            self.bodies.append(body)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        respond(sock, 200)


def test_two_are_on_their_way_and_outcomes_keep_their_order():
    instances, server = make_series(8 * BATCH), Server()
    with web_server(server) as config, DicomOperator(config) as operator:
        outcomes = list(operator.store(instances))
    assert [outcome.instance for outcome in outcomes] == instances
    assert all(outcome.accepted for outcome in outcomes)
    assert max(server.at_once) == 2
    # Each instance was in one request.
    uids = [instance.sop_instance_uid.encode() for instance in instances]
    assert all(sum(uid in body for body in server.bodies) == 1 for uid in uids)


def test_the_first_one_goes_alone():
    """Two at once would make the same study at the server."""
    server = Server(0.5)
    with web_server(server) as config, DicomOperator(config) as operator:
        found = operator.store(make_series(3 * BATCH))
        next(found)
        assert server.at_once == [1]
        found.close()


def test_a_server_for_one_connection_gets_one_request_at_a_time():
    server = Server()
    with web_server(server) as config:
        config = dataclasses.replace(config, max_associations=1)
        with DicomOperator(config) as operator:
            assert len(list(operator.store(make_series(4 * BATCH)))) == 4 * BATCH
    assert set(server.at_once) == {1}


def test_where_there_is_no_place_for_a_second_one_it_waits_for_the_first():
    instances, server = make_series(6 * BATCH), Server()
    local = LocalConfig(association_gate=Gate(places=1))
    with web_server(server) as config, DicomOperator(config, local) as operator:
        outcomes = list(operator.store(instances))
    assert [outcome.instance for outcome in outcomes] == instances
    assert all(outcome.accepted for outcome in outcomes)
    assert set(server.at_once) == {1}
    assert len(server.bodies) == 6


@pytest.mark.clock
def test_cancel_ends_all_of_them_at_once():
    cancel, server = CancelToken(), Server()
    with web_server(server) as config, DicomOperator(config, cancel=cancel) as operator:
        found = operator.store(make_series(6 * BATCH))
        next(found)
        server.seconds = 60
        threading.Timer(1.0, cancel.cancel).start()
        begin = time.monotonic()
        with pytest.raises(Canceled):
            list(found)
        found.close()
    assert time.monotonic() - begin < 20


def test_who_stops_early_waits_for_what_is_on_its_way():
    instances, server = make_series(8 * BATCH), Server()
    with web_server(server) as config, DicomOperator(config) as operator:
        found = operator.store(instances)
        for _ in range(BATCH + 1):
            next(found)
        found.close()
        assert server.now == 0
    assert len(server.bodies) < 8

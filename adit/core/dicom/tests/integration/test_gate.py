"""The gate that bounds the connections to a server is asked before anything is opened."""

import contextlib
import dataclasses
import threading

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    LocalConfig,
    Query,
    QueryProtocol,
    RetrieveProtocol,
    StoreProtocol,
    TransientDicomError,
)
from adit.core.dicom.tests.samples import make_series
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration


class Gate:
    """Counts what is open; has `places` of them."""

    def __init__(self, places=100):
        self.places = threading.Semaphore(places)
        self.open = self.most = self.total = 0
        self.servers = set()
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def __call__(self, server, cancel, *, wait):
        while not self.places.acquire(timeout=0.05 if wait else 0):
            cancel.check()
            if not wait:
                raise TransientDicomError("No place.", code="busy")
        with self.lock:
            self.open += 1
            self.total += 1
            self.most = max(self.most, self.open)
            self.servers.add(server)
        try:
            yield
        finally:
            with self.lock:
                self.open -= 1
            self.places.release()


@pytest.mark.parametrize("store", list(StoreProtocol))
@pytest.mark.parametrize("retrieve", [RetrieveProtocol.C_GET, RetrieveProtocol.WADO_RS])
@pytest.mark.parametrize("query", list(QueryProtocol))
def test_one_place_is_enough_for_every_operation(server, query, retrieve, store):
    gate = Gate(places=1)
    config = dataclasses.replace(
        server, preferred_query=query, preferred_retrieve=retrieve, preferred_store=store
    )
    config = dataclasses.replace(config, max_associations=1)
    instances = make_series(60)
    with DicomOperator(config, LocalConfig(association_gate=gate)) as operator:
        assert all(outcome.accepted for outcome in operator.store(instances))
        # An association that is kept for the next request keeps its place, until it is needed.
        assert len(list(operator.find_studies(Query()))) == 1
        got = operator.fetch(
            patient_id="P1", study_instance_uid="1.2.3.1", series={"1.2.3.1.1": None}
        )
        assert len(list(got)) == 60
    assert (gate.open, gate.most) == (0, 1)
    assert gate.servers == {server.name}


def test_a_place_is_given_back_when_the_association_is_refused_or_breaks():
    gate = Gate()
    with scripted(lambda peer: peer.socket.close()) as peer:
        local = LocalConfig(association_gate=gate)
        with DicomOperator(peer.config(), local) as operator, pytest.raises(TransientDicomError):
            operator.echo()
        assert gate.total > 0
    assert gate.open == 0


def test_whoever_waits_for_a_place_can_be_canceled():
    gate, cancel = Gate(places=0), CancelToken()
    with scripted(lambda peer: peer.accept()) as peer:
        threading.Timer(0.2, cancel.cancel).start()
        operator = DicomOperator(peer.config(), LocalConfig(association_gate=gate), cancel=cancel)
        with pytest.raises(Canceled):
            operator.echo()
        assert peer.connections == 0

"""Sending on several associations: faster, and nothing is lost, doubled or out of order."""

import contextlib
import struct
import threading
import time

import pytest

from adit.core.dicom import DicomOperator
from adit.core.dicom.dimse import pdus, pool
from adit.core.dicom.tests.samples import make_instance, make_series
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration


@contextlib.contextmanager
def lock_released(lock):
    """Releases the lock at the end of the block."""
    try:
        yield
    finally:
        lock.release()


@pytest.mark.clock
def test_latency_is_hidden_behind_several_associations():
    """Answers take their time, but four associations wait for them together, in order."""
    stored = []

    def script(peer):
        peer.accept()
        while True:
            context, request, _ = peer.receive()
            time.sleep(0.05)
            stored.append(request.sop_instance_uid)
            peer.respond(context, request, 0)

    instances = make_series(80)
    times = {}
    for most in (1, 4):
        stored.clear()
        with scripted(script) as peer:
            config = peer.config(max_associations=most)
            with DicomOperator(config) as operator:
                started = time.monotonic()
                outcomes = list(operator.store(instances))
                times[most] = time.monotonic() - started
            assert peer.connections == most
        assert [o.instance for o in outcomes] == instances
        assert all(o.accepted for o in outcomes)
        assert sorted(stored) == sorted(i.sop_instance_uid for i in instances)
    assert times[4] < 0.7 * times[1]


def test_a_server_with_room_for_one_association_gets_one():
    lock = threading.Lock()

    def script(peer):
        if not lock.acquire(blocking=False):
            peer.reader.read()
            peer.writer.write(struct.pack(">BxLBBBB", pdus.A_ASSOCIATE_RJ, 4, 0, 2, 3, 2))
            return
        peer.accept()
        while True:
            context, request, _ = peer.receive()
            time.sleep(0.01)
            peer.respond(context, request, 0)

    with scripted(script) as peer, DicomOperator(peer.config()) as operator:
        outcomes = list(operator.store(make_series(60)))
        assert all(o.accepted for o in outcomes)
        assert peer.connections == 2


@pytest.mark.clock
def test_a_server_that_lets_a_second_association_wait_holds_nothing_up(monkeypatch):
    """storescp serves one at a time: the next connection stands, and nobody answers it."""
    # Who waited for the second association would be held up for this long.
    monkeypatch.setattr(pool, "_PATIENCE_FOR_ONE_MORE", (20, 20))
    lock, second = threading.Lock(), threading.Event()

    def script(peer):
        if not lock.acquire(blocking=False):
            second.set()
            with lock:
                return
        with lock_released(lock):
            peer.accept()
            for number in range(10_000):
                context, request, _ = peer.receive()
                if number == 30:
                    # Slow enough, once, that another association is wanted.
                    assert second.wait(30)
                peer.respond(context, request, 0)

    with scripted(script) as peer, DicomOperator(peer.config()) as operator:
        list(operator.store(make_series(1)))
        started = time.monotonic()
        outcomes = list(operator.store(make_series(60)))
        took = time.monotonic() - started
        assert second.is_set()
        assert len(outcomes) == 60
        assert all(o.accepted for o in outcomes)
        assert peer.connections == 2
        assert took < 10


def test_an_association_that_breaks_beside_others_loses_and_doubles_nothing():
    lock, seen = threading.Lock(), []
    broken = []

    def script(peer):
        peer.accept()
        for number in range(10_000):
            context, request, _ = peer.receive()
            time.sleep(0.01)
            with lock:
                if number == 9 and len(broken) < 3:
                    broken.append(request.sop_instance_uid)
                    peer.abort()
                    return
                seen.append(request.sop_instance_uid)
            peer.respond(context, request, 0)

    instances = make_series(120)
    with scripted(script) as peer, DicomOperator(peer.config()) as operator:
        outcomes = list(operator.store(instances))
    assert len(broken) == 3
    assert [o.instance.sop_instance_uid for o in outcomes] == [
        i.sop_instance_uid for i in instances
    ]
    assert all(o.accepted for o in outcomes)
    assert sorted(seen) == sorted(i.sop_instance_uid for i in instances)


def test_an_instance_that_breaks_every_association_fails_alone():
    poison = make_instance(InstanceNumber=999)

    def script(peer):
        peer.accept()
        while True:
            context, request, _ = peer.receive()
            if request.sop_instance_uid == poison.sop_instance_uid:
                peer.abort()
                return
            peer.respond(context, request, 0)

    before, after = make_series(40), make_series(40)
    with scripted(script) as peer, DicomOperator(peer.config()) as operator:
        outcomes = list(operator.store([*before, poison, *after]))
    assert [o.accepted for o in outcomes] == [True] * 40 + [False] + [True] * 40

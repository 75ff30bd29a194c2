"""Identified files: none of them stays when what they belong to ends, however it ends."""

from __future__ import annotations

import dataclasses
import errno
import random
import threading
import time

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomError,
    DicomOperator,
    RetrieveProtocol,
    TransientDicomError,
    buffered,
)
from adit.core.dicom.dimse import get as getting
from adit.core.dicom.retrieval import Want, retrieve_checked
from adit.core.dicom.spill import SpillBuffer
from adit.core.dicom.tests.fetching import LOCAL, SERIES, STUDY
from adit.core.dicom.tests.samples import CT, make_instance, make_series
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration

SPILLING = dataclasses.replace(LOCAL, spill_threshold=1000)


def spilled(folder, instance):
    buffer = SpillBuffer(folder, 10)
    buffer.write(instance.read())
    return dataclasses.replace(instance, data=buffer.finish())


def fetch_from(config, folder, cancel=None, pace=None):
    with DicomOperator(config, SPILLING, cancel=cancel, spill_folder=folder, pace=pace) as operator:
        for instance in operator.fetch(
            patient_id="P1",
            study_instance_uid=STUDY,
            series={SERIES: None},
            sop_classes=[CT],
        ):
            instance.discard()


def test_what_comes_when_the_token_is_set_is_discarded(tmp_path):
    token = CancelToken()

    class Peer:
        of_all = ()

        def retrieve(self, want, received):
            instance = spilled(tmp_path, make_instance())
            assert list(tmp_path.iterdir())
            token.cancel()
            yield instance

    want = Want(patient_id="P1", study_instance_uid=STUDY, series_instance_uid=SERIES)
    with pytest.raises(Canceled):
        list(retrieve_checked(Peer(), [want], "PACS", token))
    assert list(tmp_path.iterdir()) == []


def test_an_instance_whose_answer_cannot_be_sent_is_discarded(tmp_path, monkeypatch):
    token = CancelToken()
    answer = getting.commands.store_response

    def cancels(*args):
        assert list(tmp_path.iterdir())
        token.cancel()
        return answer(*args)

    monkeypatch.setattr(getting.commands, "store_response", cancels)

    def script(peer):
        peer.accept()
        peer.receive()
        peer.send_instance(make_instance(pixels=5000))

    with scripted(script) as peer, pytest.raises(Canceled):
        fetch_from(peer.config(), tmp_path, token)
    assert list(tmp_path.iterdir()) == []


def test_an_instance_that_is_held_back_for_the_pace_when_it_ends_is_discarded(tmp_path):
    instances = make_series(3, pixels=5000)

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for instance in instances:
            peer.send_instance(instance)
        peer.respond(context, request, 0, completed=3)
        peer.serve_release()

    def pace():
        raise Canceled("Canceled.")

    with scripted(script) as peer, pytest.raises(Canceled):
        fetch_from(peer.config(), tmp_path, pace=pace)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_closed_is_discarded(tmp_path, monkeypatch):
    """As when the last bytes find no room on the disk."""
    buffer = SpillBuffer(tmp_path, 10)
    buffer.write(b"x" * 100)

    class Full:
        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(buffer, "_file", Full())
    with pytest.raises(TransientDicomError):
        buffer.finish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.interop
@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_none_stays_whenever_it_is_canceled(protocol, server, local, incoming, tmp_path):
    local = dataclasses.replace(local, spill_threshold=1000)
    with DicomOperator(server, local) as operator:
        assert all(one.accepted for one in operator.store(make_series(20, pixels=100_000)))
    chance = random.Random(7)
    for number in range(12):
        token = CancelToken()
        timer = threading.Timer(0.02 * chance.random() * number, token.cancel)
        timer.start()
        with DicomOperator(
            server, local, cancel=token, incoming=incoming, spill_folder=tmp_path
        ) as operator:
            try:
                stream = operator.fetch(
                    patient_id="P1",
                    study_instance_uid=STUDY,
                    series={SERIES: None},
                    protocol=protocol,
                )
                with stream:
                    for instance in stream:
                        instance.discard()
                        time.sleep(0.002)
                        if number % 3 == 2 and token.canceled:
                            break
            except DicomError:
                pass
            except Canceled:
                pass
        timer.cancel()
        incoming.arrived.clear()
    assert list(tmp_path.iterdir()) == []


def test_what_waits_in_the_queue_when_nobody_takes_it_is_discarded(tmp_path):
    def upstream():
        for instance in make_series(6):
            yield spilled(tmp_path, instance)

    stream = buffered(upstream(), max_items=2, max_bytes=10**6, size=lambda one: one.size)
    next(stream).discard()
    while len(list(tmp_path.iterdir())) < 3:
        time.sleep(0.01)
    stream.close()
    assert list(tmp_path.iterdir()) == []

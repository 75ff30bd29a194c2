"""C-MOVE from peers that do not keep to the standard."""

import dataclasses
import time

import pytest

from adit.core.dicom import (
    PermanentDicomError,
    RetrieveProtocol,
    TransientDicomError,
)
from adit.core.dicom.tests.fetching import LOCAL, Inbox, fetch
from adit.core.dicom.tests.samples import make_series
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration


def move_script(inbox, instances, *, status=0, before=False, final=True, **counts):
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        if before:
            peer.respond(context, request, status, **counts)
            time.sleep(0.5)
        for instance in instances:
            inbox.queue.put(instance)
            time.sleep(0.05)
        if final and not before:
            peer.respond(context, request, status, **counts)
        if not final:
            time.sleep(15)
        peer.serve_release()

    return script


MOVE = RetrieveProtocol.C_MOVE


def test_success_before_the_first_instance_is_tolerated():
    inbox, instances = Inbox(), make_series(3)
    wanted = {i.sop_instance_uid for i in instances}
    with scripted(move_script(inbox, instances, before=True)) as peer:
        got, error = fetch(peer.config(), wanted=wanted, protocol=MOVE, inbox=inbox)
    assert (len(got), error) == (3, None)


@pytest.mark.clock
def test_a_final_response_that_never_comes_is_tolerated_when_all_are_here():
    inbox, instances = Inbox(), make_series(3)
    wanted = {i.sop_instance_uid for i in instances}
    started = time.monotonic()
    with scripted(move_script(inbox, instances, final=False)) as peer:
        got, error = fetch(peer.config(), wanted=wanted, protocol=MOVE, inbox=inbox)
    assert (len(got), error) == (3, None)
    assert time.monotonic() - started < 9


def test_a_final_response_that_never_comes_is_an_error_when_nobody_knows_what_is_missing():
    inbox = Inbox()
    with scripted(move_script(inbox, make_series(3), final=False)) as peer:
        got, error = fetch(peer.config(), protocol=MOVE, inbox=inbox)
    assert len(got) == 3
    assert error is not None
    assert error.code == "no progress"


@pytest.mark.parametrize("counts", [{}, {"completed": 0}, {"completed": 0, "failed": 3}])
def test_move_success_with_nothing_is_not_success(counts):
    inbox = Inbox()
    with scripted(move_script(inbox, [], **counts)) as peer:
        got, error = fetch(peer.config(), protocol=MOVE, inbox=inbox)
    assert got == []
    assert isinstance(error, TransientDicomError)


def test_move_success_with_less_than_was_reported_is_not_success():
    inbox = Inbox()
    with scripted(move_script(inbox, make_series(2), completed=5)) as peer:
        got, error = fetch(peer.config(), protocol=MOVE, inbox=inbox)
    assert len(got) == 2
    assert error is not None
    assert error.code == "incomplete"


def test_a_moved_data_set_that_lacks_its_end_is_no_instance():
    inbox, instances = Inbox(), make_series(2)
    wanted = {i.sop_instance_uid for i in instances}
    instances[1].data = instances[1].read()[:-4]
    with scripted(move_script(inbox, instances, completed=2)) as peer:
        got, error = fetch(peer.config(), wanted=wanted, protocol=MOVE, inbox=inbox)
    assert [i.data for i in got] == [instances[0].data]
    assert isinstance(error, TransientDicomError)
    assert "cut off" in str(error)


def test_an_unknown_move_destination_is_said_at_once():
    inbox = Inbox()
    started = time.monotonic()
    local = dataclasses.replace(LOCAL, progress_timeout=60)
    with scripted(move_script(inbox, [], status=0xA801)) as peer:
        _, error = fetch(peer.config(), protocol=MOVE, inbox=inbox, local=local)
    assert isinstance(error, PermanentDicomError)
    assert error.code == "A801"
    assert time.monotonic() - started < 10

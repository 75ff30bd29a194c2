"""C-MOVE from peers that do not keep to the standard."""

import dataclasses
import time

import pytest

from adit.core.dicom import (
    PermanentDicomError,
    RetrieveProtocol,
    TransientDicomError,
)
from adit.core.dicom.tests.fetching import LOCAL, SERIES, Inbox, fetch
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


PATIENT = dataclasses.replace(LOCAL, progress_timeout=30)


def listing(instances):
    named = {instance.sop_instance_uid for instance in instances}
    return {"wanted": named, "listed": {SERIES: named}}


def test_what_is_counted_beyond_the_list_is_waited_for_although_the_request_has_ended():
    """It answers before it sends, and what it does not list comes last."""
    inbox, instances = Inbox(), make_series(3)

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        peer.respond(context, request, 0, completed=3)
        for instance in instances:
            inbox.queue.put(instance)
            time.sleep(0.1 if instance is not instances[1] else 2.5)
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(
            peer.config(), protocol=MOVE, inbox=inbox, local=PATIENT, **listing(instances[:2])
        )
    assert (len(got), error) == (3, None)


@pytest.mark.parametrize("before", [False, True])
def test_what_is_counted_beyond_the_list_and_never_comes_is_said(before):
    inbox, instances = Inbox(), make_series(2)
    script = move_script(inbox, instances, before=before, completed=3)
    with scripted(script) as peer:
        got, error = fetch(
            peer.config(), protocol=MOVE, inbox=inbox, local=PATIENT, **listing(instances)
        )
    assert len(got) == 2
    assert isinstance(error, TransientDicomError) and error.code == "short list"


def test_what_is_announced_beyond_the_list_is_waited_for_while_the_request_runs():
    inbox, instances = Inbox(), make_series(3)

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for number, instance in enumerate(instances):
            peer.respond(context, request, 0xFF00, completed=number, remaining=3 - number)
            if number == 2:
                time.sleep(7)
            inbox.queue.put(instance)
        peer.respond(context, request, 0, completed=3)
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(
            peer.config(), protocol=MOVE, inbox=inbox, local=PATIENT, **listing(instances[:2])
        )
    assert (len(got), error) == (3, None)


def test_copies_are_counted_as_the_server_counts_them():
    """One came twice, and another one in two versions: nothing is beyond the list."""
    inbox, instances = Inbox(), make_series(2)
    inbox.doubles, inbox.conflicting = 1, frozenset({instances[0].sop_instance_uid})
    observed = []

    class Observer:
        def list_is_short(self, series_uid):
            raise AssertionError(series_uid)

        def came_in_two_versions(self, source_uid, stranger=""):
            observed.append(source_uid)

    script = move_script(inbox, instances, completed=4)
    with scripted(script) as peer:
        got, error = fetch(
            peer.config(),
            protocol=MOVE,
            inbox=inbox,
            local=PATIENT,
            observer=Observer(),
            **listing(instances),
        )
    assert (len(got), error) == (2, None)
    assert observed == [instances[0].sop_instance_uid]

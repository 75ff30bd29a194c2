"""Peers that do not keep to the standard, or fail in the middle."""

import dataclasses
import time

import pytest

from adit.core.dicom import (
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    RetrieveProtocol,
    TransientDicomError,
)
from adit.core.dicom.dimse import commands, pdus
from adit.core.dicom.tests.samples import CT, EXPLICIT, IMPLICIT, MR, make_instance, make_series
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
LOCAL = LocalConfig(progress_timeout=1.5, network_timeout=10, acse_timeout=5)


class Inbox:
    """Hands over what the script of the peer puts in."""

    def __init__(self):
        import queue

        self.queue = queue.Queue()

    def expect(self, **_announced):
        import contextlib

        return contextlib.nullcontext(self)

    def take(self, timeout):
        import queue

        try:
            return self.queue.get(timeout=timeout)
        except queue.Empty:
            return None


def fetch(config, *, wanted=None, protocol=RetrieveProtocol.C_GET, inbox=None, local=LOCAL):
    """What came, and the error at the end."""
    got = []
    with DicomOperator(config, local, incoming=inbox) as operator:
        try:
            for instance in operator.fetch(
                patient_id="P1",
                study_instance_uid=STUDY,
                series={SERIES: wanted},
                protocol=protocol,
                sop_classes=[CT],
            ):
                got.append(instance)
        except (TransientDicomError, PermanentDicomError) as error:
            return got, error
    return got, None


def get_script(*instances, status=0, **counts):
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for instance in instances:
            peer.send_instance(instance)
        peer.respond(context, request, status, **counts)
        peer.serve_release()

    return script


def test_success_with_nothing_is_not_success():
    with scripted(get_script(completed=0)) as peer:
        got, error = fetch(peer.config())
    assert got == []
    assert isinstance(error, TransientDicomError)
    assert error.code == "nothing"


def test_success_with_less_than_was_reported_is_not_success():
    instances = make_series(2)
    with scripted(get_script(*instances, completed=3)) as peer:
        got, error = fetch(peer.config())
    assert len(got) == 2
    assert error is not None
    assert error.code == "incomplete"


def test_success_although_all_failed_is_not_success():
    with scripted(get_script(status=0, completed=0, failed=3)) as peer:
        got, error = fetch(peer.config())
    assert got == []
    assert isinstance(error, TransientDicomError)


def test_a_failure_does_not_matter_when_all_that_was_wanted_came():
    instances = make_series(2)
    wanted = {i.sop_instance_uid for i in instances}
    with scripted(get_script(*instances, status=0xB000, completed=2, failed=1)) as peer:
        got, error = fetch(peer.config(), wanted=wanted)
    assert (len(got), error) == (2, None)


def test_missing_ones_are_counted_when_they_were_wanted_by_name():
    instances = make_series(3)
    wanted = {i.sop_instance_uid for i in instances}
    with scripted(get_script(*instances[:2], completed=2)) as peer:
        got, error = fetch(peer.config(), wanted=wanted)
    assert len(got) == 2
    assert "1 of 3" in str(error)


def test_duplicates_come_once():
    instances = make_series(2)
    with scripted(get_script(*instances, *instances, completed=4)) as peer:
        got, error = fetch(peer.config())
    assert [i.sop_instance_uid for i in got] == [i.sop_instance_uid for i in instances]
    assert error is None


def test_an_instance_of_another_study_is_dropped_and_said():
    stranger = make_instance(StudyInstanceUID="9.9", PatientID="P9")
    with scripted(get_script(*make_series(1), stranger, completed=2)) as peer:
        got, error = fetch(peer.config())
    assert len(got) == 1
    assert isinstance(error, PermanentDicomError)
    assert error.code == "misplaced"


def test_padded_uids_in_the_command_are_healed():
    instance = make_instance()
    uid = instance.sop_instance_uid
    padded = dataclasses.replace(instance, sop_instance_uid=uid + " ")
    with scripted(get_script(padded, completed=1)) as peer:
        got, error = fetch(peer.config(), wanted={uid})
    assert [i.sop_instance_uid for i in got] == [uid]
    assert error is None


def test_the_syntax_of_the_context_is_the_syntax_of_the_instance():
    instances = [make_instance(), make_instance(syntax=IMPLICIT)]
    with scripted(get_script(*instances, completed=2)) as peer:
        got, _ = fetch(peer.config())
    assert [i.transfer_syntax_uid for i in got] == [EXPLICIT, IMPLICIT]
    assert [i.data for i in got] == [i.data for i in instances]


def test_a_peer_that_stops_in_the_middle_is_left_after_the_progress_time_out():
    def script(peer):
        peer.accept()
        peer.receive()
        peer.send_instance(make_instance())
        time.sleep(8)

    started = time.monotonic()
    with scripted(script) as peer:
        got, error = fetch(peer.config())
    assert len(got) == 1
    assert isinstance(error, TransientDicomError)
    assert time.monotonic() - started < 6


def test_pending_for_ever_is_left_after_the_progress_time_out():
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        while True:
            peer.respond(context, request, 0xFF00, remaining=5, completed=0)
            time.sleep(0.1)

    started = time.monotonic()
    with scripted(script) as peer:
        _, error = fetch(peer.config())
    assert error is not None
    assert error.code == "no progress"
    assert time.monotonic() - started < 6


def test_a_retrieval_that_goes_on_slowly_is_not_cut():
    instances = make_series(5)

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for instance in instances:
            time.sleep(0.8)
            peer.send_instance(instance)
        peer.respond(context, request, 0, completed=5)
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(peer.config())
    assert (len(got), error) == (5, None)


def test_an_abort_after_some_is_transient_and_keeps_those():
    def script(peer):
        peer.accept()
        peer.receive()
        for instance in make_series(3):
            peer.send_instance(instance)
        peer.abort()

    with scripted(script) as peer:
        got, error = fetch(peer.config())
    assert len(got) == 3
    assert isinstance(error, TransientDicomError)


def test_a_data_set_that_ends_in_the_middle_is_no_instance():
    def script(peer):
        peer.accept()
        peer.receive()
        instance = make_instance()
        request = commands.store_request(1, CT, instance.sop_instance_uid)
        peer.writer.write_message(peer.contexts[CT, EXPLICIT], request)
        peer.socket.sendall(b"\x04\x00\x00\x00\x01\x00\x00\x00\x00\xfc\x01\x00half")

    with scripted(script) as peer:
        got, error = fetch(peer.config())
    assert got == []
    assert isinstance(error, TransientDicomError)


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x04\x00\xff\xff\xff\xff"])
def test_a_peer_that_speaks_something_else_is_an_error(junk):
    with scripted(lambda peer: peer.socket.sendall(junk)) as peer:
        _, error = fetch(peer.config())
    assert error is not None


def test_a_full_disk_is_answered_with_out_of_resources_and_said(tmp_path):
    statuses = []

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        statuses.append(peer.send_instance(make_instance(pixels=50_000)))
        peer.respond(context, request, 0xB000, completed=0, failed=1)
        peer.serve_release()

    local = dataclasses.replace(LOCAL, spill_threshold=1000)
    with (
        scripted(script) as peer,
        DicomOperator(peer.config(), local, spill_folder=tmp_path / "gone") as operator,
        pytest.raises(TransientDicomError) as caught,
    ):
        list(
            operator.fetch(
                patient_id="P1",
                study_instance_uid=STUDY,
                series={SERIES: None},
                sop_classes=[CT],
            )
        )
    assert caught.value.code == "disk"
    assert statuses[0] == 0xA700


# C-MOVE


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


def test_an_unknown_move_destination_is_said_at_once():
    inbox = Inbox()
    started = time.monotonic()
    local = dataclasses.replace(LOCAL, progress_timeout=60)
    with scripted(move_script(inbox, [], status=0xA801)) as peer:
        _, error = fetch(peer.config(), protocol=MOVE, inbox=inbox, local=local)
    assert isinstance(error, PermanentDicomError)
    assert error.code == "A801"
    assert time.monotonic() - started < 10


# C-STORE


def store_script(statuses, *, reject=lambda *_: False):
    """Answers with `statuses`, one after the other over all associations; None aborts."""
    left = list(statuses)

    def script(peer):
        peer.accept(reject)
        while True:
            context, request, _ = peer.receive()
            status = left.pop(0) if left else 0
            if status is None:
                peer.abort()
                return
            peer.respond(context, request, status)

    return script


def store(config, instances, local=LOCAL):
    with DicomOperator(config, local) as operator:
        return list(operator.store(instances))


def test_each_status_has_its_outcome():
    statuses = [0, 0xB000, 0xB006, 0x0111, 0xA700, 0xA900, 0xC000, 0x0124]
    with scripted(store_script(statuses)) as peer:
        outcomes = store(peer.config(), make_series(8))
        assert peer.connections == 1
    assert [o.accepted for o in outcomes] == [True] * 4 + [False] * 4
    assert [o.status for o in outcomes] == statuses
    assert [bool(o.warning) for o in outcomes] == [False, True, True, True] + [False] * 4
    kinds = [type(o.error) for o in outcomes[4:]]
    assert kinds == [TransientDicomError] + [PermanentDicomError] * 3


def test_a_rejected_context_is_said_per_instance_and_the_others_go_on():
    instances = [
        make_instance(),
        make_instance(SOPClassUID=MR),
        make_instance(syntax=IMPLICIT),
        make_instance(SOPClassUID=MR),
        make_instance(),
    ]

    def reject(sop_class, _syntax):
        return sop_class == MR

    with scripted(store_script([], reject=reject)) as peer:
        outcomes = store(peer.config(), instances)
    assert [o.accepted for o in outcomes] == [True, False, True, False, True]
    error = outcomes[1].error
    assert isinstance(error, PermanentDicomError)
    assert "MR Image Storage" in str(error)
    assert [o.instance for o in outcomes] == instances


def test_a_broken_association_is_reopened_and_nothing_is_lost():
    with scripted(store_script([0, 0, None, 0, None, 0])) as peer:
        outcomes = store(peer.config(), make_series(6))
        assert peer.connections == 3
    assert all(o.accepted for o in outcomes)
    assert len(outcomes) == 6


def test_a_fresh_association_that_breaks_at_once_fails_that_instance_only():
    with scripted(store_script([None, 0, 0])) as peer:
        outcomes = store(peer.config(), make_series(3))
    assert [o.accepted for o in outcomes] == [False, True, True]
    assert isinstance(outcomes[0].error, TransientDicomError)


def test_a_peer_that_always_breaks_is_given_up_but_each_instance_has_its_outcome():
    with scripted(store_script([None] * 100)) as peer:
        outcomes = store(peer.config(), make_series(50))
        assert peer.connections < 10
    assert len(outcomes) == 50
    assert not any(o.accepted for o in outcomes)


def test_fragments_keep_to_the_maximum_of_the_peer():
    largest = []

    def script(peer):
        peer.accept()
        command = b""
        while True:
            kind, body = peer.reader.read()
            if kind != pdus.P_DATA_TF:
                return
            largest.append(len(body))
            for context, is_command, is_last, fragment in pdus.split_values(body):
                if is_command:
                    command = bytes(fragment)
                elif is_last:
                    peer.respond(context, commands.Command(command), 0)

    with scripted(script, maximum=4096) as peer:
        (outcome,) = store(peer.config(), [make_instance(pixels=100_000)])
    assert outcome.accepted
    assert max(largest) <= 4096
    assert len(largest) > 20


def test_an_idle_association_that_the_peer_closed_is_replaced():
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        peer.respond(context, request, 0)
        peer.abort()

    with scripted(script) as peer, DicomOperator(peer.config(), LOCAL) as operator:
        for instance in make_series(3):
            (outcome,) = operator.store([instance])
            assert outcome.accepted
            time.sleep(0.1)
        assert peer.connections == 3


def test_more_than_128_kinds_of_instances_take_several_associations():
    instances = [
        make_instance(SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{number}", syntax=syntax)
        for number in range(1, 71)
        for syntax in (EXPLICIT, IMPLICIT)
    ]
    with scripted(store_script([])) as peer:
        outcomes = store(peer.config(), instances)
    assert all(o.accepted for o in outcomes)


def test_a_busy_peer_is_tried_again():
    refusals = [b"\x03\x00\x00\x00\x00\x04\x00\x02\x03\x02"] * 2

    def script(peer):
        if refusals:
            peer.reader.read()
            peer.socket.sendall(refusals.pop())
            return
        store_script([])(peer)

    with scripted(script) as peer:
        (outcome,) = store(peer.config(), make_series(1))
    assert outcome.accepted


def test_a_refusal_for_good_is_not_tried_again():
    def script(peer):
        peer.reader.read()
        peer.socket.sendall(b"\x03\x00\x00\x00\x00\x04\x00\x01\x01\x03")

    with scripted(script) as peer:
        outcomes = store(peer.config(), make_series(5))
        assert peer.connections == 1
    assert {type(o.error) for o in outcomes} == {PermanentDicomError}
    assert "does not know our AE title" in str(outcomes[0].error)

"""C-GET from peers that do not keep to the standard, or fail in the middle."""

import dataclasses
import time

import pytest

from adit.core.dicom import (
    DicomOperator,
    PermanentDicomError,
    TransientDicomError,
)
from adit.core.dicom.dimse import commands
from adit.core.dicom.tests.fetching import LOCAL, SERIES, STUDY, fetch
from adit.core.dicom.tests.samples import CT, EXPLICIT, IMPLICIT, make_instance, make_series
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration


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


def answers_queries(script):
    """The same server; it answers C-FIND with success and no result."""

    def either(peer):
        peer.accept()
        context, request, _ = peer.receive()
        if request.field == commands.C_FIND_RQ:
            peer.respond(context, request, 0)
            peer.serve_release()
            return
        script(peer, context, request)

    return either


@pytest.mark.parametrize("status", [0, 0xB000])
def test_a_failure_counts_although_the_server_lists_no_instance(status):
    instances = make_series(2)

    def script(peer, context, request):
        for instance in instances:
            if (CT, EXPLICIT) in peer.contexts:
                peer.send_instance(instance)
        peer.respond(context, request, status, completed=2, failed=1)
        peer.serve_release()

    with scripted(answers_queries(script)) as peer:
        got, error = fetch(peer.config(study_root_find_support=True))
    assert len(got) == 2
    assert isinstance(error, TransientDicomError)


def test_a_later_success_does_not_undo_what_could_not_be_sent_before():
    instances, requests = make_series(2), []

    def script(peer, context, request):
        requests.append(request)
        for instance in instances:
            peer.send_instance(instance)
        peer.respond(context, request, 0, completed=2, failed=1 if len(requests) == 1 else 0)
        peer.serve_release()

    with scripted(answers_queries(script)) as peer:
        got, error = fetch(peer.config(study_root_find_support=True))
    assert len(got) == 2
    assert isinstance(error, TransientDicomError)
    assert "1 of 3" in str(error)


def test_warnings_without_a_failure_are_success():
    with scripted(get_script(*make_series(2), status=0xB000, completed=1, warning=1)) as peer:
        got, error = fetch(peer.config())
    assert (len(got), error) == (2, None)


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


def cut(instance, count=4):
    """The instance without its last bytes; the message around it ends in order."""
    return dataclasses.replace(instance, data=instance.data[:-count])


@pytest.mark.parametrize("wanted", [True, False])
def test_a_data_set_that_lacks_its_end_is_no_instance(wanted):
    instances = make_series(3)
    uids = {i.sop_instance_uid for i in instances} if wanted else None
    script = get_script(*instances[:2], cut(instances[2]), completed=3)
    with scripted(script) as peer:
        got, error = fetch(peer.config(), wanted=uids)
    assert [i.data for i in got] == [i.data for i in instances[:2]]
    assert isinstance(error, TransientDicomError)
    assert "sent an instance that is cut off or not readable" in str(error)


def test_a_damaged_copy_beside_a_good_one_does_not_matter():
    instance = make_instance()
    with scripted(get_script(cut(instance), instance, completed=2)) as peer:
        got, error = fetch(peer.config())
    assert ([i.data for i in got], error) == ([instance.data], None)


@pytest.mark.parametrize("data", [b"", b"\xff" * 100], ids=["empty", "garbage"])
def test_a_data_set_that_is_none_is_no_instance_and_said(data):
    instance = make_instance()
    garbage = dataclasses.replace(make_instance(), data=data)
    with scripted(get_script(instance, garbage, completed=2)) as peer:
        got, error = fetch(peer.config())
    assert [i.data for i in got] == [instance.data]
    assert isinstance(error, TransientDicomError)
    assert "not readable" in str(error)


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


@pytest.mark.clock
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


@pytest.mark.parametrize("counts", ["completed", "failed", "remaining"])
def test_counts_that_grow_without_an_instance_are_no_progress(counts):
    """It promised ten at first."""

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for number in range(1, 400):
            peer.respond(context, request, 0xFF00, **{"remaining": 10, counts: number})
            time.sleep(0.1)

    with scripted(script) as peer:
        started = time.monotonic()
        got, error = fetch(peer.config())
    assert time.monotonic() - started < 15
    assert got == []
    assert isinstance(error, TransientDicomError) and error.code == "no progress"


def test_a_server_that_gets_on_with_what_fails_is_awaited():
    """Longer than the progress time-out in all."""
    instances = make_series(3)

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for number in range(1, 8):
            peer.respond(context, request, 0xFF00, remaining=10 - number, failed=number)
            time.sleep(0.4)
        if (CT, EXPLICIT) in peer.contexts:
            for instance in instances:
                peer.send_instance(instance)
        peer.respond(context, request, 0xB000, completed=3, failed=7)
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(peer.config())
    assert len(got) == 3
    assert isinstance(error, TransientDicomError) and error.code == "B000"


@pytest.mark.clock
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

"""C-FIND to peers that repeat themselves."""

import itertools
import struct

import pytest

from adit.core.dicom import DicomOperator, Query, TransientDicomError
from adit.core.dicom.dimse.commands import C_CANCEL_RQ
from adit.core.dicom.tests.fetching import LOCAL
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration


def find_script(uids):
    """Answers with a series for each of `uids`, which may have no end."""

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for uid in uids:
            peer.answer(context, request, struct.pack("<HHL", 0x0020, 0x000E, len(uid)) + uid)
        peer.respond(context, request, 0)
        peer.serve_release()

    return script


def find(peer):
    config = peer.config(study_root_find_support=True, max_associations=1)
    with DicomOperator(config, LOCAL) as operator:
        found = operator.find_series(Query(study_instance_uid="1.2.3"))
        return [series.series_instance_uid for series in found]


def test_an_answer_that_comes_twice_counts_once():
    with scripted(find_script([b"1.2.3\0", b"1.2.4\0", b"1.2.3\0"])) as peer:
        assert find(peer) == ["1.2.3", "1.2.4"]


def test_a_peer_that_goes_in_circles_is_left():
    circle = itertools.cycle([b"1.2.3\0", b"1.2.4\0"])
    with scripted(find_script(circle)) as peer, pytest.raises(TransientDicomError) as caught:
        find(peer)
    assert caught.value.code == "no progress"


def element(tag, value):
    value += b" " * (len(value) % 2)
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def respond_for(peer, context, message_id, status, identifier=b""):
    """A C-FIND response to the message of that ID, whichever came last."""
    elements = {0x0100: 0x8020, 0x0120: message_id, 0x0800: 0 if identifier else 0x0101}
    elements[0x0900] = status
    body = b"".join(struct.pack("<HHLH", 0, tag, 2, elements[tag]) for tag in sorted(elements))
    command = struct.pack("<HHLL", 0, 0, 4, len(body)) + body
    peer.writer.write_message(context, command, identifier or None)


@pytest.mark.parametrize("late", [0, 0xFE00, 0xFF00])
def test_a_late_answer_to_a_canceled_query_does_not_end_the_next(late):
    """Its end came already, as success that crossed our C-CANCEL; then the C-CANCEL is answered."""
    uids = [element(0x0020000E, f"1.2.{number}".encode()) for number in range(3)]

    def script(peer):
        peer.accept()
        context, first, _ = peer.receive()
        for identifier in uids:
            respond_for(peer, context, first.message_id, 0xFF00, identifier)
        respond_for(peer, context, first.message_id, 0)
        _, cancel, _ = peer.receive()
        assert cancel.field == C_CANCEL_RQ
        context, second, _ = peer.receive()
        respond_for(peer, context, first.message_id, late, uids[0] if late == 0xFF00 else b"")
        respond_for(peer, context, second.message_id, 0xFF00, uids[2])
        respond_for(peer, context, second.message_id, 0)
        peer.serve_release()

    with scripted(script) as peer:
        config = peer.config(study_root_find_support=True, max_associations=1)
        with DicomOperator(config, LOCAL) as operator:
            query = Query(study_instance_uid="1.2.3")
            stream = operator.find_series(query)
            assert next(stream).series_instance_uid == "1.2.0"
            stream.close()
            found = [series.series_instance_uid for series in operator.find_series(query)]
        assert peer.connections == 1
    assert found == ["1.2.2"]


def test_pending_without_an_answer_has_an_end():
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        while True:
            respond_for(peer, context, request.message_id, 0xFF00)

    with scripted(script) as peer, pytest.raises(TransientDicomError) as caught:
        find(peer)
    assert caught.value.code == "no progress"


@pytest.mark.parametrize("patient_root", [True, False])
def test_patients_that_come_in_circles_have_an_end(patient_root):
    def patient(number):
        study = element(0x0020000D, f"1.2.{number}".encode() + b"\0" * (number > 9))
        return element(0x00100020, f"P{number}".encode()) + (b"" if patient_root else study)

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for number in itertools.cycle(range(3)):
            respond_for(peer, context, request.message_id, 0xFF00, patient(number))

    with scripted(script) as peer:
        config = peer.config(
            study_root_find_support=not patient_root, patient_root_find_support=patient_root
        )
        with (
            DicomOperator(config, LOCAL) as operator,
            pytest.raises(TransientDicomError, match="without end"),
        ):
            list(operator.find_patients(Query()))

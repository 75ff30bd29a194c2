"""C-FIND to peers that repeat themselves."""

import contextlib
import dataclasses
import itertools
import struct
import time
from datetime import date

import pytest

from adit.core.dicom import (
    DicomOperator,
    PermanentDicomError,
    Query,
    TransientDicomError,
    searching,
)
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


def answers_script(identifiers, pause=0.0):
    """Answers with these Identifiers (None: with none at all), then success."""

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        with contextlib.suppress(OSError):
            for identifier in identifiers:
                if identifier is None:
                    respond_for(peer, context, request.message_id, 0xFF00)
                else:
                    peer.answer(context, request, identifier)
                time.sleep(pause)
        respond_for(peer, context, request.message_id, 0)
        peer.serve_release()

    return script


def instance(number):
    return element(0x00080018, f"1.2.3.{number}".encode())


JUNK = {
    "junk": b"\xff" * 40,
    "cut before the UID": struct.pack("<HHL", 8, 5, 999) + instance(2),
    "without the UID": element(0x00200013, b"7"),
    "without a data set": None,
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=list(JUNK))
@pytest.mark.parametrize("level", ["series", "instances"])
def test_an_answer_that_cannot_be_read_is_never_left_out_of_a_plan(level, junk):
    tag = 0x0020000E if level == "series" else 0x00080018
    good = [element(tag, f"1.2.3.{number}".encode()) for number in (1, 3)]
    with scripted(answers_script([good[0], junk, good[1]])) as peer:
        config = peer.config(study_root_find_support=True, max_associations=1)
        with DicomOperator(config, LOCAL) as operator:
            query = Query(study_instance_uid="1.2", series_instance_uid="")
            find = operator.find_series if level == "series" else operator.find_instances
            results = find(query)
            assert len([next(results) for _ in good]) == 2
            with pytest.raises(PermanentDicomError) as caught:
                next(results)
    assert caught.value.code == "unreadable"
    assert "1 answer of PACS" in str(caught.value) and caught.value.advice


def study_answer(number=1, **elements):
    return element(0x0020000D, f"1.2.{number}".encode()) + b"".join(
        element(int(tag[1:], 16), value) for tag, value in elements.items()
    )


def studies(peer, query, local=LOCAL, **changes):
    config = peer.config(study_root_find_support=True, max_associations=1, **changes)
    with DicomOperator(config, local) as operator:
        results = operator.find_studies(query)
        return [one.study_instance_uid for one in results], results


def test_a_list_of_studies_says_how_many_answers_could_not_be_read():
    with scripted(answers_script([study_answer(1), JUNK["junk"], study_answer(3)])) as peer:
        found, results = studies(peer, Query())
    assert found == ["1.2.1", "1.2.3"]
    assert results.remarks.sentences() == ("1 answer of PACS could not be read.",)


@pytest.mark.parametrize("patients", [True, False])
def test_where_no_answer_can_be_read_that_is_not_nothing_found(patients):
    with scripted(answers_script([JUNK["junk"], JUNK["cut before the UID"]])) as peer:
        config = peer.config(study_root_find_support=True, patient_root_find_support=patients)
        with DicomOperator(config, LOCAL) as operator, pytest.raises(PermanentDicomError) as caught:
            list(operator.find_patients(Query()) if patients else operator.find_studies(Query()))
    assert "2 answers of PACS to a query could not be read" in str(caught.value)


def endless_answers(tag):
    for number in itertools.count():
        yield element(tag, f"1.2.3.{number}".encode())


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_ever_new_answers_to_a_plan_are_an_error(level, monkeypatch):
    monkeypatch.setitem(searching._MOST_ANSWERS, level, 300)
    script = answers_script(endless_answers(0x0020000E if level == "SERIES" else 0x00080018))
    with scripted(script) as peer:
        config = peer.config(study_root_find_support=True)
        with DicomOperator(config, LOCAL) as operator:
            find = operator.find_series if level == "SERIES" else operator.find_instances
            with pytest.raises(TransientDicomError, match="left after 300 answers"):
                list(find(Query(study_instance_uid="1.2.3")))


def test_ever_new_studies_that_do_not_fit_are_told_as_cut(monkeypatch):
    monkeypatch.setitem(searching._MOST_ANSWERS, "STUDY", 300)
    with scripted(answers_script(endless_answers(0x0020000D))) as peer:
        found, results = studies(peer, Query(patient_id="P9"))
    assert (found, results.truncated_by) == ([], "limit")
    assert "left after 300 answers" in results.remarks.sentences()[0]


def test_a_server_that_answers_now_and_then_for_ever_is_left():
    """Each answer in time, and none that fits."""
    local = dataclasses.replace(LOCAL, network_timeout=0.5)
    with scripted(answers_script(endless_answers(0x0020000D), pause=0.3)) as peer:
        started = time.monotonic()
        found, results = studies(peer, Query(patient_id="P9"), local)
    assert time.monotonic() - started < 30
    assert (found, results.truncated_by) == ([], "limit")


def test_a_list_says_what_the_server_left_open():
    """It neither looks at the key nor returns it: the study stays, and may not fit."""
    complete = {"x00080061": b"CT", "x00201206": b"1", "x00201208": b"1"}
    query = Query(patient_birth_date=date(1980, 1, 1), patient_sex="F")
    with scripted(answers_script([study_answer(1, **complete)])) as peer:
        found, results = studies(peer, query)
    assert found == ["1.2.1"]
    assert results.remarks.sentences() == (
        "PACS does not tell the birth date and sex of some: these may not fit.",
    )

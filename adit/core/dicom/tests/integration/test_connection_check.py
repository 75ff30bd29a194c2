"""The connection test against Orthanc, the double with faults, and nobody at all."""

import dataclasses
import json
import struct
import threading
import time

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    LocalConfig,
    ServerConfig,
    TlsConfig,
    connection_check,
)
from adit.core.dicom.connection_check import Verdict, check_connection
from adit.core.dicom.dimse import commands
from adit.core.dicom.tests.conftest import RECEIVER_AE_TITLE
from adit.core.dicom.tests.samples import make_series
from adit.core.dicom.tests.scripted_peer import scripted
from adit.core.dicom.tests.web_server import respond, web_server
from adit.stack.ports import free_port
from adit.test_pacs import PacsDouble
from adit.test_pacs.double import QUERY_RETRIEVE

pytestmark = [pytest.mark.integration, pytest.mark.interop]

LOCAL = LocalConfig(receiver_ae_title=RECEIVER_AE_TITLE)


@pytest.fixture
def pacs():
    with PacsDouble("DOUBLE", peers={RECEIVER_AE_TITLE: ("127.0.0.1", 1)}) as double:
        yield double


def config_of(pacs, **changes):
    values = {"name": "DOUBLE", "ae_title": "DOUBLE", "host": "127.0.0.1", "port": pacs.port}
    return ServerConfig(**{**values, **changes})


def verdicts(report):
    return {finding.title: finding.verdict for finding in report.findings}


def text(report):
    return "\n".join(report.lines())


def test_orthanc_offers_what_is_set_for_it(server, receiver_port):
    report = check_connection(dataclasses.replace(server, storage_commitment_support=True), LOCAL)
    assert report.passed, text(report)
    assert report.differences == []
    assert report.latency is not None and report.latency < 5
    assert verdicts(report)["C-FIND, study root"] == Verdict.PASSED
    assert verdicts(report)["QIDO-RS"] == Verdict.PASSED
    assert report.capabilities["dicomweb_stow_support"]


def test_wado_is_proposed_where_the_server_sends_an_instance(server):
    with DicomOperator(server) as operator:
        assert all(outcome.accepted for outcome in operator.store(make_series(1)))
    config = ServerConfig(name="WEB", dicomweb_root_url=server.dicomweb_root_url)
    report = check_connection(config, LOCAL)
    assert verdicts(report)["WADO-RS"] == Verdict.PASSED
    assert "The server offers WADO-RS, but it is switched off here" in text(report)
    assert report.passed


@pytest.mark.parametrize(
    ("status", "kind", "offered"),
    [(404, "application/dicom+json", True), (404, "text/html", None), (405, "text/html", False)],
)
def test_an_empty_server_may_tell_by_its_refusal_whether_it_has_wado(status, kind, offered):
    def answer(sock, head, _body):
        # A query has parameters, which WADO-RS has not.
        respond(sock, 200, b"[]") if b"?" in head else respond(sock, status, b"", kind)

    with web_server(answer) as config:
        report = check_connection(config, LOCAL)
    assert report.capabilities.get("dicomweb_wado_support") is offered


def test_nothing_is_moved_or_left_at_the_server(orthanc, server, incoming):
    with DicomOperator(server) as operator:
        assert all(outcome.accepted for outcome in operator.store(make_series(3)))
    check_connection(server, LOCAL)
    assert len(orthanc.request("GET", "/instances")) == 3
    with incoming.changed:
        assert not incoming.changed.wait_for(lambda: incoming.arrived, 0.5)


def test_what_is_offered_and_switched_off_is_proposed(pacs):
    report = check_connection(config_of(pacs), LOCAL)
    assert report.passed, text(report)
    assert {d.flag for d in report.differences} == {
        "study_root_find_support", "patient_root_find_support",
        "study_root_get_support", "patient_root_get_support",
        "study_root_move_support", "patient_root_move_support",
        "store_scp_support", "storage_commitment_support",
    }  # fmt: skip
    assert "offers C-FIND, study root, but it is switched off here" in text(report)


def test_what_is_switched_on_and_not_offered_is_told_and_not_passed(pacs):
    pacs.faults.reject_contexts = [f"{QUERY_RETRIEVE}2.3", f"{QUERY_RETRIEVE}1.3"]
    report = check_connection(config_of(pacs, study_root_get_support=True), LOCAL)
    assert not report.passed
    assert "C-GET, study root is switched on here, but the server does not offer it" in text(report)


MOVE_FLAGS = ("study_root_move_support", "patient_root_move_support")


@pytest.mark.parametrize("switched_on", [True, False])
def test_a_server_that_does_not_know_our_receiver_fails_where_it_is_to_move(pacs, switched_on):
    pacs.peers.clear()
    config = config_of(pacs, study_root_find_support=True, study_root_move_support=switched_on)
    report = check_connection(config, LOCAL)
    assert report.passed is not switched_on, text(report)
    assert "does not know the AE title to send to" in text(report)
    assert RECEIVER_AE_TITLE in text(report)
    assert not set(MOVE_FLAGS) & set(report.capabilities)
    assert "C-MOVE" not in "".join(difference.says for difference in report.differences)


@pytest.mark.parametrize(
    ("switched_on", "passed"),
    [("dicomweb_wado_support", True), ("study_root_get_support", False), ("", False)],
)
def test_a_port_that_does_not_answer_fails_where_anything_is_to_use_it(switched_on, passed):
    with web_server(lambda s, h, b: respond(s, 200, b"[]")) as web:
        config = ServerConfig(
            name="WEB",
            ae_title="WEB",
            host="127.0.0.1",
            port=free_port(),
            dicomweb_root_url=web.dicomweb_root_url,
        )
        if switched_on:
            config = dataclasses.replace(config, **{switched_on: True})
        report = check_connection(config, LOCAL)
    assert report.passed is passed, text(report)
    assert "cannot be reached" in text(report)


@pytest.mark.parametrize(
    ("switched_on", "passed"), [("dicomweb_stow_support", True), ("dicomweb_qido_support", False)]
)
def test_a_refused_query_fails_only_where_queries_are_switched_on(switched_on, passed):
    def answer(sock, head, _body):
        respond(sock, 403 if head.startswith(b"GET") else 200, b"")

    with web_server(answer) as web:
        config = ServerConfig(name="WEB", dicomweb_root_url=web.dicomweb_root_url)
        config = dataclasses.replace(config, **{switched_on: True})
        report = check_connection(config, LOCAL)
    assert report.passed is passed, text(report)
    if passed:
        assert verdicts(report)["STOW-RS"] == Verdict.PASSED


FAULTS = {
    "refuses": ({"refuse_associations": True}, "rejected the association"),
    "does not know us": ({"allowed_calling_ae_titles": ["OTHER"]}, "does not know our AE title"),
    "is full": ({"refuse_next": 9}, "congested"),
    "closes": ({"close_connections": True}, "broke"),
    "endless": ({"endless_pending_find": True}, ""),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_faulty_server_is_described_and_nobody_waits_for_it(pacs, fault):
    switches, words = FAULTS[fault]
    for name, value in switches.items():
        setattr(pacs.faults, name, value)
    started = time.monotonic()
    report = check_connection(config_of(pacs), LOCAL)
    assert time.monotonic() - started < 40
    assert words in text(report)
    if words:
        assert not report.passed
        assert report.capabilities == {}


FIND_FLAGS = ("study_root_find_support", "patient_root_find_support")


def answers_queries(identifiers, status=0, pause=0.0):
    """A peer that takes whatever is offered and answers each query alike."""

    def script(peer):
        peer.accept()
        while True:
            context, request, _ = peer.receive()
            time.sleep(pause)
            if request.field == commands.C_FIND_RQ:
                for identifier in identifiers():
                    peer.answer(context, request, identifier)
                peer.respond(context, request, status)
            elif request.field != commands.C_CANCEL_RQ:
                peer.respond(context, request, 0 if request.field == commands.C_ECHO_RQ else 0xC000)

    return script


def studies(count):
    for number in range(count):
        uid = f"1.2.{1000 + number}".encode()
        yield struct.pack("<HHL", 0x0020, 0x000D, len(uid)) + uid


def test_a_service_that_failed_is_neither_proposed_nor_denied():
    with scripted(answers_queries(lambda: (), 0xC000)) as peer:
        config = peer.config(acse_timeout=1, study_root_find_support=True)
        report = check_connection(config, LOCAL)
    assert not report.passed
    assert verdicts(report)["C-FIND, study root"] == Verdict.FAILED
    assert verdicts(report)["C-FIND, patient root"] == Verdict.UNCLEAR
    assert not set(FIND_FLAGS) & set(report.capabilities)
    assert "C-FIND" not in "".join(difference.says for difference in report.differences)


@pytest.mark.parametrize(("count", "told"), [(5, "5"), (10**9, "20 or more")])
def test_a_server_that_ignores_the_study_asked_for_fails_and_is_not_read_to_its_end(count, told):
    with scripted(answers_queries(lambda: studies(count))) as peer:
        started = time.monotonic()
        config = peer.config(acse_timeout=1, study_root_find_support=True)
        report = check_connection(config, LOCAL)
    assert time.monotonic() - started < 40
    assert not report.passed
    assert not set(FIND_FLAGS) & set(report.capabilities)
    assert verdicts(report)["C-FIND, study root"] == Verdict.FAILED
    assert f"answers came ({told}) for a study that nobody has" in text(report)


def test_a_web_server_that_ignores_the_study_asked_for_fails():
    body = json.dumps([{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]).encode()
    with web_server(lambda s, h, b: respond(s, 200, body)) as config:
        report = check_connection(config, LOCAL)
    assert verdicts(report)["QIDO-RS"] == Verdict.FAILED
    assert "answers came (1) for a study that nobody has" in text(report)
    assert "dicomweb_qido_support" not in report.capabilities


@pytest.mark.clock
def test_the_whole_test_has_an_end_and_says_so(monkeypatch):
    """Each answer to the C-ECHO is in time, and the sum of them is not."""
    monkeypatch.setattr(connection_check, "AT_MOST", 3.0)
    with scripted(answers_queries(lambda: (), pause=1)) as peer:
        started = time.monotonic()
        report = check_connection(peer.config(acse_timeout=1), LOCAL)
        assert 3 <= time.monotonic() - started < 8
    assert not report.passed
    assert "The test was ended after 3 seconds" in text(report)
    assert report.capabilities == {}


def test_a_test_that_is_canceled_is_no_slow_server():
    token = CancelToken()
    threading.Timer(0.5, token.cancel).start()
    with web_server(lambda s, h, b: time.sleep(20)) as config, pytest.raises(Canceled):
        check_connection(config, LOCAL, token)


def test_tls_where_the_server_has_none_and_the_other_way_round(pacs):
    report = check_connection(config_of(pacs, tls=TlsConfig()), LOCAL)
    assert not report.passed
    assert "TLS" in text(report) or "broke" in text(report)
    pacs.faults.fail_tls_handshake = True
    report = check_connection(config_of(pacs, tls=TlsConfig()), LOCAL)
    assert "The TLS handshake with DOUBLE failed" in text(report)


@pytest.mark.clock
def test_a_dead_host_is_told_soon():
    config = ServerConfig(
        name="DEAD",
        ae_title="DEAD",
        host="127.0.0.1",
        port=free_port(),
        dicomweb_root_url=f"http://127.0.0.1:{free_port()}/dicom-web",
    )
    started = time.monotonic()
    report = check_connection(config, LOCAL)
    assert time.monotonic() - started < 12
    assert not report.passed
    assert text(report).count("DEAD cannot be reached") == 2


@pytest.mark.clock
def test_a_server_that_accepts_and_is_silent_is_left():
    def script(peer):
        peer.reader.read()
        peer.reader.read()

    with scripted(script) as peer:
        started = time.monotonic()
        report = check_connection(peer.config(acse_timeout=1), LOCAL)
        assert time.monotonic() - started < 10
    assert "did not answer in time" in text(report)


def test_without_an_address_there_is_nothing_to_test():
    assert not check_connection(ServerConfig(name="EMPTY")).passed

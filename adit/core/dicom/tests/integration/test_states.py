"""What a peer may send at any time, and what it may not (PS3.8 section 9.2)."""

import socket
import struct
import threading
import time
from dataclasses import replace

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomError,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    Query,
    TransientDicomError,
)
from adit.core.dicom.dimse import pdus
from adit.core.dicom.dimse.commands import C_ECHO_RQ, C_FIND_RQ
from adit.core.dicom.tests.scripted_peer import scripted
from adit.stack.ports import wait_until

pytestmark = pytest.mark.integration

LOCAL = LocalConfig(connect_timeout=5, acse_timeout=2, network_timeout=2, progress_timeout=2)
BODIES = {
    pdus.A_ASSOCIATE_RQ: b"\0" * 68,
    pdus.A_ASSOCIATE_AC: b"\0" * 68,
    pdus.A_ASSOCIATE_RJ: b"\0\1\1\1",
    pdus.P_DATA_TF: struct.pack(">LBB", 2, 1, 3),
    pdus.A_RELEASE_RQ: b"\0" * 4,
    pdus.A_RELEASE_RP: b"\0" * 4,
    pdus.A_ABORT: b"\0\0\2\2",
}


def pdu(kind, body=None):
    body = BODIES[kind] if body is None else body
    return struct.pack(">BxL", kind, len(body)) + body


def echo_error(script, local=LOCAL, **changes):
    """What an echo ends with, and how long it took."""
    with scripted(script) as peer:
        config = peer.config(study_root_find_support=True, **changes)
        with DicomOperator(config, local) as operator:
            started = time.monotonic()
            try:
                operator.echo()
            except DicomError as error:
                return error, time.monotonic() - started
    return None, time.monotonic() - started


@pytest.mark.parametrize("kind", [k for k in BODIES if k != pdus.A_ASSOCIATE_AC])
def test_every_pdu_instead_of_an_answer_to_the_association_request(kind):
    def script(peer):
        peer.reader.read()
        peer.writer.write(pdu(kind))
        peer.serve_release()

    error, _ = echo_error(script)
    assert error is not None


@pytest.mark.parametrize("kind", [k for k in BODIES if k != pdus.P_DATA_TF])
def test_every_pdu_instead_of_an_answer_to_a_message(kind):
    answers = []

    def script(peer):
        peer.accept()
        peer.receive()
        peer.writer.write(pdu(kind))
        answers.append(peer.reader.read()[0])

    error, _ = echo_error(script)
    assert isinstance(error, TransientDicomError)
    if kind != pdus.A_ABORT:
        wait_until(lambda: bool(answers), "the peer's answer")
    if kind == pdus.A_RELEASE_RQ:
        assert answers == [pdus.A_RELEASE_RP]
    elif kind != pdus.A_ABORT:
        assert answers == [pdus.A_ABORT]


@pytest.mark.parametrize(
    "values",
    [
        [(99, 3, b"")],  # a context that was not accepted
        [(1, 2, b"abcd")],  # a data set before its command set
        [(1, 3, b"")],  # an empty command set
        [(1, 3, b"\0" * 20)],
        [(1, 3, struct.pack("<HHL", 0, 0x0100, 0xFFFFFFFE) + b"ab")],
        [(1, 1, b"\0" * 60_000), (1, 1, b"\0" * 60_000)],  # a command set without an end
    ],
    ids=["context", "data first", "empty", "no field", "length", "endless"],
)
def test_fragments_that_make_no_message(values):
    def script(peer):
        peer.accept()
        peer.receive()
        for context, control, data in values:
            value = struct.pack(">LBB", len(data) + 2, context, control) + data
            peer.writer.write(pdu(pdus.P_DATA_TF, value))
        peer.serve_release()

    error, _ = echo_error(script)
    assert error is not None and error.code == "protocol"


@pytest.mark.parametrize(
    "body",
    [b"\0\0", struct.pack(">LBB", 1, 1, 3), struct.pack(">LBB", 1000, 1, 3) + b"ab"],
    ids=["short header", "too small", "longer than the PDU"],
)
def test_presentation_data_values_of_a_wrong_length(body):
    def script(peer):
        peer.accept()
        peer.receive()
        peer.writer.write(pdu(pdus.P_DATA_TF, body))
        peer.serve_release()

    error, _ = echo_error(script)
    assert error is not None and error.code == "protocol"


def response_to(peer, context, request, **counts):
    """The encoded answer to `request`, as one command set in PDUs."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer, peer.writer = peer.writer, pdus.PduWriter(ours)
        peer.respond(context, request, 0, **counts)
        peer.writer = writer
        return theirs.recv(65536)


def test_an_answer_that_comes_byte_by_byte():
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for byte in response_to(peer, context, request):
            peer.socket.sendall(bytes([byte]))
        peer.serve_release()

    assert echo_error(script)[0] is None


@pytest.mark.parametrize("size", [1, 2, 7])
def test_an_answer_in_many_fragments_with_empty_ones_between(size):
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        command = response_to(peer, context, request)[12:]
        pieces = [command[n : n + size] for n in range(0, len(command), size)]
        values = b""
        for number, piece in enumerate(pieces):
            last = 2 if number == len(pieces) - 1 else 0
            values += struct.pack(">LBB", 2, context, 1)
            values += struct.pack(">LBB", len(piece) + 2, context, 1 | last) + piece
        peer.writer.write(pdu(pdus.P_DATA_TF, values))
        peer.serve_release()

    assert echo_error(script)[0] is None


def test_two_messages_in_one_pdu():
    """Answers of a C-FIND that are packed into one PDU all count."""

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        assert request.field == C_FIND_RQ
        values = b""
        for number, status in enumerate((0xFF00, 0xFF00, 0)):
            identifier = struct.pack("<HHL", 0x0020, 0x000E, 6) + f"1.2.{number}\0".encode()
            elements = {0x0100: 0x8020, 0x0120: request.message_id, 0x0900: status}
            elements[0x0800] = 0 if status else 0x0101
            command = b"".join(
                struct.pack("<HHLH", 0, tag, 2, elements[tag]) for tag in sorted(elements)
            )
            values += struct.pack(">LBB", len(command) + 2, context, 3) + command
            if status:
                values += struct.pack(">LBB", len(identifier) + 2, context, 2) + identifier
        peer.writer.write(pdu(pdus.P_DATA_TF, values))
        peer.serve_release()

    with scripted(script) as peer:
        config = peer.config(study_root_find_support=True, max_associations=1)
        with DicomOperator(config, LOCAL) as operator:
            found = list(operator.find_series(Query(study_instance_uid="1.2.3")))
    assert [series.series_instance_uid for series in found] == ["1.2.0", "1.2.1"]


def test_a_pdu_larger_than_agreed_is_taken_and_one_without_measure_is_not():
    def larger(peer):
        peer.accept()
        context, request, _ = peer.receive()
        command = response_to(peer, context, request)[12:]
        padding = struct.pack(">LBB", 2, context, 1) * 50_000  # 300 kB where 128 kB were agreed
        value = struct.pack(">LBB", len(command) + 2, context, 3) + command
        peer.writer.write(pdu(pdus.P_DATA_TF, padding + value))
        peer.serve_release()

    assert echo_error(larger)[0] is None

    def huge(peer):
        peer.accept()
        peer.receive()
        peer.writer.write(struct.pack(">BxL", pdus.P_DATA_TF, 0xFFFFFFF0))
        peer.serve_release()

    error, seconds = echo_error(huge, replace(LOCAL, network_timeout=60))
    assert error is not None and error.code == "protocol"
    assert seconds < 20


def flood_of_empty_values(peer):
    peer.accept()
    peer.receive()
    while True:
        peer.writer.write(pdu(pdus.P_DATA_TF, struct.pack(">LBB", 2, 1, 1) * 100))


def flood_of_echoes(peer):
    peer.accept()
    context, request, _ = peer.receive()
    assert request.field == C_ECHO_RQ
    elements = {0x0100: C_ECHO_RQ, 0x0110: 1, 0x0800: 0x0101}
    command = b"".join(struct.pack("<HHLH", 0, tag, 2, elements[tag]) for tag in sorted(elements))
    while True:
        peer.writer.write_message(context, command)
        peer.receive()
        time.sleep(0.01)


def byte_now_and_then(peer):
    peer.accept()
    context, request, _ = peer.receive()
    for byte in response_to(peer, context, request):
        peer.socket.sendall(bytes([byte]))
        time.sleep(0.3)


def silence(peer):
    peer.accept()
    peer.receive()
    peer.reader.read()


def silence_instead_of_accepting(peer):
    peer.reader.read()
    peer.reader.read()


@pytest.mark.parametrize(
    "script",
    [
        flood_of_empty_values,
        flood_of_echoes,
        byte_now_and_then,
        silence,
        silence_instead_of_accepting,
    ],
    ids=lambda script: script.__name__,
)
def test_a_peer_that_never_gets_to_the_point_is_left(script):
    error, seconds = echo_error(script)
    assert isinstance(error, TransientDicomError)
    assert error.code == "timeout", error
    assert seconds < 30


@pytest.mark.clock
@pytest.mark.parametrize(
    "script",
    [flood_of_empty_values, flood_of_echoes, silence, silence_instead_of_accepting],
    ids=lambda script: script.__name__,
)
def test_canceling_ends_every_wait_within_a_second(script):
    cancel = CancelToken()
    patient = LocalConfig(network_timeout=60, acse_timeout=60)
    with scripted(script) as peer:
        operator = DicomOperator(peer.config(study_root_find_support=True), patient, cancel=cancel)
        canceled = []

        def stop():
            time.sleep(0.5)
            canceled.append(time.monotonic())
            cancel.cancel()

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(Canceled):
            operator.echo()
        assert time.monotonic() - canceled[0] < 3  # a flood shares the interpreter with us
        thread.join()


@pytest.mark.clock
def test_canceling_ends_the_wait_for_a_connection():
    """A listener whose queue is full lets nobody in."""
    cancel = CancelToken()
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    full = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
        full.append(sock)
    with scripted(silence) as peer:
        config = peer.config(port=port)
        threading.Timer(0.5, cancel.cancel).start()
        started = time.monotonic()
        with pytest.raises(Canceled):
            DicomOperator(config, LocalConfig(connect_timeout=60), cancel=cancel).echo()
        assert time.monotonic() - started < 20
    for sock in [*full, listener]:
        sock.close()


def test_both_sides_release_at_once():
    kinds = []

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        peer.respond(context, request, 0)
        kinds.append(peer.reader.read()[0])
        peer.writer.write(pdus.RELEASE_RQ_PDU)
        kinds.append(peer.reader.read()[0])
        peer.writer.write(pdus.RELEASE_RP_PDU)
        kinds.append(peer.socket.recv(1))

    assert echo_error(script)[0] is None
    wait_until(lambda: len(kinds) == 3, "the end of the connection")
    assert kinds == [pdus.A_RELEASE_RQ, pdus.A_RELEASE_RP, b""]


@pytest.mark.clock
def test_a_peer_that_does_not_answer_the_release_is_left():
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        peer.respond(context, request, 0)
        peer.reader.read()
        peer.reader.read()

    with scripted(script) as peer:
        operator = DicomOperator(peer.config(study_root_find_support=True), LOCAL)
        operator.echo()
        started = time.monotonic()
        operator.close()
        assert time.monotonic() - started < 10


def test_a_context_in_a_syntax_that_was_not_proposed_is_not_used():
    def script(peer):
        peer.accept(answer_syntax="1.2.840.10008.1.2.2")
        peer.serve_release()

    error, _ = echo_error(script)
    assert isinstance(error, PermanentDicomError)
    assert error.code == "context rejected"

"""Mutated bytes from a peer: whatever comes, it ends soon, in bounded memory, in a DicomError."""

import contextlib
import dataclasses
import socket
import struct
import threading
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adit.core.dicom import (
    CancelToken,
    DicomError,
    DicomOperator,
    LocalConfig,
    Query,
    RetrieveProtocol,
    ServerConfig,
)
from adit.core.dicom.commitment import MalformedReport, read_report
from adit.core.dicom.contexts import query_contexts
from adit.core.dicom.dimse import pdus, pool
from adit.core.dicom.dimse.acse import encode_request
from adit.core.dicom.dimse.association import Association
from adit.core.dicom.dimse.commands import Command, CommandError
from adit.core.dicom.dimse.find import VERIFICATION
from adit.core.dicom.tests.samples import CT, EXPLICIT, make_instance
from adit.core.dicom.tests.scripted_peer import Conversation

pytestmark = pytest.mark.integration

LOCAL = LocalConfig(connect_timeout=2, acse_timeout=0.1, network_timeout=0.1, progress_timeout=0.15)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """No pause before another attempt."""
    monkeypatch.setattr(pool, "_PAUSES", (0.0,))


MUCH = 80 * 1024 * 1024
FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@st.composite
def mutations(draw):
    """A few changes to a stream: a byte replaced, some cut out, some put in."""
    kinds = st.sampled_from(["replace", "cut", "insert", "repeat"])
    change = st.tuples(kinds, st.floats(0, 1), st.binary(min_size=1, max_size=9))
    return draw(st.lists(change, min_size=1, max_size=6))


def mutated(stream, changes):
    data = bytearray(stream)
    for kind, where, piece in changes:
        at = int(where * len(data))
        if kind == "replace":
            data[at : at + len(piece)] = piece
        elif kind == "cut":
            del data[at : at + len(piece)]
        elif kind == "insert":
            data[at:at] = piece
        else:
            data[at:at] = data[at : at + 64]
    return bytes(data)


def pdu_of(context, elements, data=b""):
    command = b"".join(
        struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in sorted(elements.items())
    )
    values = struct.pack(">LBB", len(command) + 2, context, 3) + command
    if data:
        values += struct.pack(">LBB", len(data) + 2, context, 2) + data
    return struct.pack(">BxL", pdus.P_DATA_TF, len(values)) + values


def us(value):
    return struct.pack("<H", value)


def find_answers():
    identifier = struct.pack("<HHL", 0x0020, 0x000D, 6) + b"1.2.3\0"
    identifier += struct.pack("<HHL", 0x0020, 0x000E, 8) + b"1.2.3.1\0"
    pending = {0x0100: us(0x8020), 0x0120: us(1), 0x0800: us(0), 0x0900: us(0xFF00)}
    final = {0x0100: us(0x8020), 0x0120: us(1), 0x0800: us(0x0101), 0x0900: us(0)}
    return pdu_of(3, pending, identifier) * 3 + pdu_of(3, final)


def get_answers():
    instance = make_instance(pixels=400)
    store = {
        0x0002: CT.encode() + b"\0" * (len(CT) % 2),
        0x0100: us(1),
        0x0110: us(1),
        0x0700: us(0),
        0x0800: us(0),
        0x1000: b"1.2.3.4.5\0",
    }
    # The contexts are the model and then CT in each syntax; the first of these is explicit.
    final = {0x0100: us(0x8010), 0x0120: us(1), 0x0800: us(0x0101), 0x0900: us(0), 0x1021: us(1)}
    assert instance.transfer_syntax_uid == EXPLICIT
    return pdu_of(3, store, instance.read()) + pdu_of(1, final)


class Replayer:
    """Accepts the association (or sends `handshake` instead) and then sends a stream, once."""

    def __init__(self, stream, handshake=None):
        self._stream, self._handshake = stream, handshake
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError, EOFError, AssertionError):
            while True:
                sock, _ = self._listener.accept()
                with sock, contextlib.suppress(OSError, EOFError, AssertionError):
                    sock.settimeout(5)
                    peer = Conversation(sock, 16384)
                    if self._handshake is not None:
                        peer.reader.read()
                        sock.sendall(self._handshake)
                    else:
                        peer.accept()
                        peer.receive()
                        sock.sendall(self._stream)
                    while sock.recv(65536):
                        pass

    def config(self):
        return ServerConfig(
            name="PACS",
            ae_title="FUZZ",
            host="127.0.0.1",
            port=self.port,
            study_root_find_support=True,
            study_root_get_support=True,
            max_associations=1,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_args):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@contextlib.contextmanager
def bounded():
    """Within reasonable time and memory."""
    tracemalloc.start()
    started = time.monotonic()
    try:
        yield
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert time.monotonic() - started < 20
    assert peak < MUCH


@FUZZ
@given(mutations())
def test_answers_to_a_query(changes):
    with (
        Replayer(mutated(find_answers(), changes)) as peer,
        bounded(),
        DicomOperator(peer.config(), LOCAL) as operator,
        contextlib.suppress(DicomError),
    ):
        list(operator.find_series(Query(study_instance_uid="1.2.3")))


@FUZZ
@given(mutations())
# A SOP Class UID with a byte beyond ASCII, which the response to the C-STORE repeats.
@example([("replace", 0.03125, b"\x80")])
# Elements out of their order.
@example([("replace", 0.375, b"\x00\x00\x00\x00\x00\x00 ")])
def test_instances_of_a_retrieval(changes):
    got = []
    with (
        Replayer(mutated(get_answers(), changes)) as peer,
        bounded(),
        DicomOperator(peer.config(), LOCAL) as operator,
        contextlib.suppress(DicomError),
    ):
        for instance in operator.fetch(
            patient_id="P1",
            study_instance_uid="1.2.3.1",
            series={"1.2.3.1.1": None},
            protocol=RetrieveProtocol.C_GET,
            sop_classes=[CT],
        ):
            got.append(instance)
    # What is handed on belongs to what was asked for, whatever was sent.
    assert all(one.identifiers().study_instance_uid == "1.2.3.1" for one in got)


def store_answer(context=1):
    uid = b"1.2.3.4.5\0"
    elements = {
        0x0002: CT.encode() + b"\0" * (len(CT) % 2),
        0x0100: us(0x8001),
        0x0120: us(1),
        0x0800: us(0x0101),
        0x0900: us(0xA700),
        0x1000: uid,
    }
    return pdu_of(context, elements)


@FUZZ
@given(mutations())
@example([("cut", 0.0, b"123456")])
@example([("repeat", 0.0, b"1")])
def test_answers_to_a_store(changes):
    """Each instance has one outcome, in their order."""
    instances = [make_instance(pixels=400), make_instance(pixels=400)]
    answer = mutated(store_answer(), changes)
    with (
        Replayer(answer) as peer,
        bounded(),
        DicomOperator(dataclasses.replace(peer.config(), store_scp_support=True), LOCAL) as op,
    ):
        outcomes = list(op.store(instances))
    assert [one.instance for one in outcomes] == instances
    assert all(one.accepted or one.error for one in outcomes)


def acceptance():
    """The bytes that accept an association with the verification class."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = Conversation(theirs, 16384)
        thread = threading.Thread(target=peer.accept)
        thread.start()
        ours.sendall(
            encode_request(
                calling_ae_title="A",
                called_ae_title="B",
                contexts=query_contexts([VERIFICATION]),
                maximum_pdu=16384,
            )
        )
        kind, body = pdus.PduReader(ours).read()
        thread.join(10)
        return struct.pack(">BxL", kind, len(body)) + bytes(body)


ACCEPTANCE = acceptance()


@FUZZ
@given(mutations())
def test_the_acceptance_of_an_association(changes):
    handshake = mutated(ACCEPTANCE, changes)
    with Replayer(b"", handshake) as peer, bounded(), contextlib.suppress(DicomError):
        association = Association.open(
            peer.config(), LOCAL, query_contexts([VERIFICATION]), CancelToken()
        )
        association.close()


@FUZZ
@given(st.binary(max_size=300))
@example(b"")
@example(b"HTTP/1.1 400 Bad Request\r\n\r\n")
@example(b"SSH-2.0-OpenSSH_9.2\r\n")
def test_garbage_instead_of_an_acceptance(garbage):
    with Replayer(b"", garbage) as peer, bounded(), contextlib.suppress(DicomError):
        Association.open(
            peer.config(), LOCAL, query_contexts([VERIFICATION]), CancelToken()
        ).close()


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_a_command_set_is_one_or_an_error(data):
    with contextlib.suppress(CommandError):
        command = Command(data)
        assert isinstance(command.field, int)
        assert isinstance(command.status, int)
        assert isinstance(command.has_data_set, bool)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["1.2.840.10008.1.2", EXPLICIT]))
def test_a_commitment_report_is_one_or_an_error(data, syntax):
    with contextlib.suppress(MalformedReport):
        assert read_report(data, syntax).transaction_uid

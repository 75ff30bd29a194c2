"""The bulk data path byte by byte: whatever the sockets take or give at once, nothing changes."""

import io
import socket
import struct
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adit.core.dicom.dimse.pdus import P_DATA_TF, PduReader, PduWriter, split_values
from adit.core.receiver import wire

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COMMAND = bytes(range(100))
PATTERN = bytes(range(256)) * 4096


def sent(maximum, data, receive):
    """What a writer sends through a socket with little room, read in pieces of `receive` bytes."""
    ours, theirs = socket.socketpair()
    got = bytearray()

    def read():
        while piece := theirs.recv(receive):
            got.extend(piece)

    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.settimeout(20)
        theirs.settimeout(20)
        thread = threading.Thread(target=read)
        thread.start()
        PduWriter(ours, maximum).write_message(7, COMMAND, data)
        ours.shutdown(socket.SHUT_WR)
        thread.join(20)
        assert not thread.is_alive()
    return bytes(got)


def pdus_of(stream):
    """Kind and body of each PDU."""
    position = 0
    while position < len(stream):
        kind, length = struct.unpack_from(">BxL", stream, position)
        yield kind, stream[position + 6 : position + 6 + length]
        position += 6 + length
    assert position == len(stream)


@FUZZ
@given(
    maximum=st.sampled_from([0, 8, 9, 100, 1000, 4096, 16382, 16384, 131072, 1 << 24]),
    size=st.one_of(st.integers(0, 3000), st.integers(0, len(PATTERN))),
    from_file=st.booleans(),
    receive=st.sampled_from([1000, 4096, 65536]),
)
def test_a_message_arrives_whole_in_pdus_that_the_peer_can_take(maximum, size, from_file, receive):
    """PS3.8 9.3.5, Annex E and D.1: only the last fragments say so, and all are of even length."""
    if 0 < maximum < 1000:
        size = size % 3000
    data = PATTERN[:size]
    command, content, ends = b"", b"", []
    for kind, body in pdus_of(sent(maximum, io.BytesIO(data) if from_file else data, receive)):
        assert kind == P_DATA_TF
        assert not maximum or len(body) <= maximum
        for context, is_command, is_last, fragment in split_values(memoryview(body)):
            assert context == 7 and len(fragment) % 2 == 0
            assert is_command == (len(ends) == 0)
            if is_command:
                command += fragment
            else:
                content += fragment
            if is_last:
                ends.append(is_command)
    assert ends == [True, False]
    assert command == COMMAND
    assert content == data + b"\0" * (size % 2)


def cut(stream, places):
    """The stream in pieces."""
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in zip(edges, edges[1:], strict=False)]


def read_all(reader, count):
    return [(kind, bytes(body)) for kind, body in (reader() for _ in range(count))]


@pytest.mark.parametrize("whose", ["requestor", "receiver"])
@FUZZ
@given(
    sizes=st.lists(st.sampled_from([0, 1, 6, 100, 5000, 131072]), min_size=1, max_size=12),
    places=st.lists(st.integers(0, 1 << 20), max_size=30),
)
def test_pdus_are_the_same_wherever_the_stream_is_cut(whose, sizes, places):
    written = [(P_DATA_TF, PATTERN[number : number + size]) for number, size in enumerate(sizes)]
    stream = b"".join(struct.pack(">BxL", kind, len(body)) + body for kind, body in written)
    ours, theirs = socket.socketpair()

    def send():
        for piece in cut(stream, places):
            theirs.sendall(piece)

    with ours, theirs:
        thread = threading.Thread(target=send)
        thread.start()
        if whose == "requestor":
            ours.settimeout(20)
            reader = PduReader(ours)
            reader.expect(20)
            read = reader.read
        else:
            wire.prepare(ours, 20)
            source = wire.PduSource(ours)
            source.negotiated()

            def read():
                return source.read(20, 20)

        assert read_all(read, len(written)) == written
        thread.join(20)

"""No stream of bytes, however broken, harms the receiver or leaves a file behind."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .peer import (
    DATA,
    LAST_COMMAND,
    LAST_DATA,
    RELEASE_RQ,
    STORE,
    SessionUnderTest,
    association_request,
    data_pdu,
)

CONTENT = b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\x00" * 40
STREAM = (
    association_request()
    + data_pdu((1, LAST_COMMAND, STORE))
    + data_pdu((1, DATA, CONTENT))
    + data_pdu((1, LAST_DATA, CONTENT))
    + data_pdu((1, LAST_COMMAND, STORE), (1, LAST_DATA, CONTENT))
    + RELEASE_RQ
)

mutations = st.lists(
    st.tuples(
        st.sampled_from(["change", "insert", "delete", "repeat", "cut"]),
        st.integers(0, len(STREAM) - 1),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=6,
)


def mutate(changes: list[tuple[str, int, bytes]]) -> bytes:
    stream = bytearray(STREAM)
    for kind, position, piece in changes:
        end = position + len(piece)
        if kind == "change":
            stream[position:end] = piece
        elif kind == "insert":
            stream[position:position] = piece
        elif kind == "delete":
            del stream[position:end]
        elif kind == "repeat":
            stream[position:position] = stream[position : position + 40 * len(piece)]
        else:
            del stream[position:]
    return bytes(stream)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations)
def test_a_mutated_stream_ends_the_session_and_leaves_no_file(changes):
    with tempfile.TemporaryDirectory() as folder:
        receiver = SessionUnderTest(Path(folder))
        with receiver.peer:
            try:
                receiver.peer.sendall(mutate(changes))
                assert receiver.ended()
            except ConnectionError:
                receiver.thread.join(20)
            assert not receiver.thread.is_alive()
        assert receiver.leftovers() == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2000))
def test_noise_within_an_association_ends_it(noise: bytes):
    with tempfile.TemporaryDirectory() as folder:
        receiver = SessionUnderTest(Path(folder))
        with receiver.peer:
            try:
                receiver.peer.sendall(association_request() + noise)
                assert receiver.ended()
            except ConnectionError:
                receiver.thread.join(20)
            assert not receiver.thread.is_alive()
        assert receiver.leftovers() == []

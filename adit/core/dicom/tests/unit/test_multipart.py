import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit.core.dicom.dicomweb.multipart import (
    MultipartError,
    PartData,
    PartEnd,
    PartStart,
    boundary_of,
    parse_multipart,
)


def build(bodies, *, lengths=False, preamble=b""):
    message = bytearray(preamble)
    for body in bodies:
        message += b"\r\n--edge\r\nContent-Type: application/dicom\r\n"
        if lengths:
            message += b"Content-Length: %d\r\n" % len(body)
        message += b"\r\n" + body
    return bytes(message + b"\r\n--edge--\r\n")


def parse(chunks):
    bodies = []
    for event in parse_multipart(chunks, b"edge"):
        if isinstance(event, PartStart):
            bodies.append(b"")
        elif isinstance(event, PartData):
            bodies[-1] += event.data
        else:
            assert isinstance(event, PartEnd)
    return bodies


awkward = st.lists(
    st.sampled_from([b"\r\n", b"--", b"edge", b"\r\n--edg", b" ", b"\n", b"\r", b"x", b"\0"])
).map(b"".join)


@given(
    st.lists(awkward.filter(lambda b: b"\r\n--edge" not in b)), st.integers(1, 40), st.booleans()
)
def test_bodies_come_out_as_they_went_in_however_they_are_cut(bodies, size, lengths):
    message = build(bodies, lengths=lengths)
    if not bodies:
        message = b"--edge--"
    chunks = [message[start : start + size] for start in range(0, len(message), size)]
    assert parse(chunks) == bodies


def test_a_preamble_and_a_missing_first_line_break_are_fine():
    assert parse([build([b"a"], preamble=b"ignore me")]) == [b"a"]
    assert parse([build([b"a"])[2:]]) == [b"a"]


def test_white_space_at_the_end_of_a_body_stays():
    assert parse([build([b"data \r\n", b"\n"])]) == [b"data \r\n", b"\n"]


@pytest.mark.parametrize("cut", [3, 10, 30, 60])
def test_a_message_that_ends_early_is_an_error(cut):
    with pytest.raises(MultipartError):
        parse([build([b"data"])[:-cut]])


def test_a_wrong_length_is_an_error():
    message = build([b"data"], lengths=True).replace(b"Length: 4", b"Length: 3")
    with pytest.raises(MultipartError):
        parse([message])


def test_endless_headers_are_an_error():
    with pytest.raises(MultipartError):
        parse([b"--edge\r\n", *[b"X: y\r\n" * 1000] * 1000])


def test_memory_is_bounded_by_the_chunks():
    pieces = [
        len(event.data)
        for event in parse_multipart(
            (c for c in [b"--edge\r\n\r\n", *[b"x" * 65536] * 100, b"\r\n--edge--"]), b"edge"
        )
        if isinstance(event, PartData)
    ]
    assert max(pieces) <= 65536
    assert sum(pieces) == 100 * 65536


def test_the_boundary_is_found_quoted_and_plain():
    assert boundary_of('multipart/related; type="application/dicom"; boundary="a b"') == b"a b"
    assert boundary_of("multipart/related; boundary=x") == b"x"
    assert boundary_of("application/dicom") is None
    with pytest.raises(MultipartError):
        boundary_of("multipart/related")


def test_a_boundary_that_no_header_can_hold_is_an_error():
    with pytest.raises(MultipartError, match="cannot be read"):
        boundary_of('multipart/related; boundary="\u20ac"')

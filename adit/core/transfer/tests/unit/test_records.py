import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from adit.core.models.records import (
    InstanceRecord,
    InstanceState,
    decode_records,
    encode_records,
)

digests = st.one_of(st.just(""), st.binary(min_size=32, max_size=32).map(bytes.hex))
findings = st.lists(st.text(max_size=20), max_size=3).map(tuple)
records = st.builds(
    InstanceRecord,
    source_uid=st.from_regex(r"1\.2\.[0-9]{1,20}", fullmatch=True),
    state=st.sampled_from(InstanceState),
    new_uid=st.one_of(
        st.just(""),
        st.from_regex(r"2\.25\.[0-9]{1,41}", fullmatch=True),
        st.integers(0, 2**129).map("2.25.{}".format),
        st.sampled_from(["2.25.", "2.25.01", "2.25.\u0663"]),
    ),
    size=st.integers(0, 2**40),
    sha256_received=digests,
    sha256_sent=digests,
    sha256_held=digests,
    reason=st.text(max_size=40),
    retry=st.booleans(),
    findings=findings,
    accepted=findings,
    discarded=st.booleans(),
    counted=st.booleans(),
)


@given(st.lists(records, max_size=20))
def test_records_come_back_as_they_were(rows):
    assert decode_records(encode_records(rows)) == rows


def test_what_was_held_costs_nothing_once_just_that_was_sent():
    row = InstanceRecord("1.2.3", InstanceState.CONFIRMED, sha256_sent="ab" * 32)
    before = len(encode_records([row]))
    row.sha256_held = row.sha256_sent
    assert decode_records(encode_records([row])) == [row]
    assert len(encode_records([row])) - before < 32


def test_no_bytes_are_no_records():
    assert decode_records(b"") == []


def test_bytes_of_another_form_are_refused():
    with pytest.raises(ValueError, match="unknown form"):
        decode_records(b"\x09" + bytes(8))


def test_a_thousand_deidentified_instances_take_at_most_100_bytes_each():
    prefix = "1.2.826.0.1.3680043.8.498."
    rows = [
        InstanceRecord(
            source_uid=f"{prefix}12345678.{i}",
            state=InstanceState.CONFIRMED,
            new_uid=generate_uid(prefix=None, entropy_srcs=[str(i)]),
            size=500_000 + i,
            sha256_received=hashlib.sha256(f"a{i}".encode()).hexdigest(),
            sha256_sent=hashlib.sha256(f"b{i}".encode()).hexdigest(),
        )
        for i in range(1000)
    ]
    assert len(encode_records(rows)) / 1000 <= 100

"""Damaged bytes give a domain error or an object, never any other exception."""

from __future__ import annotations

import contextlib
import re
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.multival import MultiValue

from adit.core.deid import DeidentificationError, standard_research_profile
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element
from adit.core.deid.tests.objects import (
    SECRET,
    ct_header,
    decode,
    encode,
    process,
    profile,
    sample,
    sample_files,
)

_SMALL = (
    "CT_small.dcm",
    "reportsi.dcm",
    "rtplan.dcm",
    "MR_small_bigendian.dcm",
    "nested_priv_SQ.dcm",
)
_PATHS = [path for path in sample_files() if path.name in _SMALL]
_PROFILE = profile(*standard_research_profile(SECRET).options)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(_PATHS),
    st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 255)), max_size=6),
    st.integers(200, 60_000),
)
def test_damage_is_a_domain_error_at_most(path, changes, length):
    data, syntax = sample(path)
    damaged = bytearray(data[:length])
    for position, value in changes:
        if position < len(damaged):
            damaged[position] = value

    with contextlib.suppress(DeidentificationError):
        process(bytes(damaged), syntax, under=_PROFILE)


@pytest.mark.parametrize("name", [b"A\xdfB^C\xff", b"A^B\\C^D", b"\\", b"=", b"A" * 5000])
def test_a_name_that_is_none_is_replaced(name: bytes):
    observer = encode_element(EXPLICIT_LITTLE, 0x0040A123, b"PN", name)
    declared = encode_element(EXPLICIT_LITTLE, 0x00080005, b"CS", b"ISO_IR 192")

    after, _ = process(declared + encode(ct_header()) + observer)

    new = decode(after)[0x0040A123].value
    values = new if isinstance(new, MultiValue) else [new]
    assert len(values) == 1 + name.count(b"\\")
    assert all(re.fullmatch(r"[A-Z^ ]*", str(value)) for value in values)


def test_what_the_engine_does_not_know_is_a_domain_error_without_the_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(context: object, raw: bytes) -> bytes:
        return int(raw.decode()).to_bytes()

    monkeypatch.setattr("adit.core.deid.actions.pseudonym", broken)

    data = encode(ct_header(ClinicalTrialSubjectID="Schmidt"))

    with pytest.raises(DeidentificationError) as caught:
        process(data)

    text = "".join(traceback.format_exception(caught.value))
    assert "ValueError at test_damaged.py:" in str(caught.value)
    assert "Schmidt" not in text + caplog.text

"""Pixel data is carried through as it came, in every transfer syntax, in bounded memory."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from adit.core.deid import (
    Assignment,
    FindingKind,
    MalformedDataset,
    Pseudonymizer,
    TruncatedDataset,
    standard_research_profile,
)
from adit.core.deid.codec import PIXEL_DATA_TAGS
from adit.core.deid.tests.objects import (
    BROKEN_FILES,
    SECRET,
    ct_header,
    decode,
    encode,
    process,
    profile,
    sample,
    sample_files,
)

FILES = [pytest.param(path, id=path.name) for path in sample_files()]
_IMPLICIT_DESPITE_ITS_NAME = re.compile(r"SC_rgb_jpeg\.dcm")


def pixel_data(data: bytes, transfer_syntax_uid: str) -> dict[int, bytes]:
    dataset = decode(data, transfer_syntax_uid)
    found = {}
    for tag in PIXEL_DATA_TAGS & set(dataset.keys()):
        element = dataset.get_item(tag)
        assert isinstance(element, RawDataElement)
        found[tag] = element.value
    return found


@pytest.mark.parametrize("path", FILES)
def test_pixel_data_of_every_sample_is_byte_equal(path: Path):
    data, syntax = sample(path)
    syntax = syntax or "1.2.840.10008.1.2"
    if path.name in BROKEN_FILES:
        with pytest.raises(TruncatedDataset):
            process(data, syntax)
        return

    after, result = process(data, syntax)

    assert result.size == len(after)
    if _IMPLICIT_DESPITE_ITS_NAME.match(path.name):
        syntax = "1.2.840.10008.1.2"
    assert pixel_data(after, syntax) == pixel_data(data, syntax)


@pytest.mark.parametrize("path", FILES)
def test_the_leak_gate_finds_nothing_after_the_standard_profile(path: Path):
    if path.name in BROKEN_FILES:
        return
    data, syntax = sample(path)
    under = standard_research_profile(SECRET)
    under = profile(*under.options)

    _, result = process(data, syntax or "1.2.840.10008.1.2", under=under)

    assert [item for item in result.findings if item.kind is not FindingKind.BURNED_IN] == []


class SlowStream(io.RawIOBase):
    """Gives few bytes at a time and remembers the largest request."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)
        self.largest = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.largest = max(self.largest, size if size >= 0 else 1 << 62)
        return self.data.read(min(size, 1000) if size >= 0 else size)


def big_object() -> bytes:
    dataset = ct_header(BitsAllocated=16, PixelRepresentation=0)
    dataset.PixelData = bytes(range(256)) * 8192 * 4
    dataset.add_new(0xFFFCFFFC, "OB", b"Schmidt Hannelore ")
    return encode(dataset)


def test_large_pixel_data_is_read_in_chunks():
    data = big_object()
    stream, target = SlowStream(data), io.BytesIO()

    Pseudonymizer(profile(), Assignment(pseudonym="S")).process(
        stream,  # type: ignore[arg-type]
        target,
        ExplicitVRLittleEndian,
    )

    assert stream.largest <= 1 << 18
    assert pixel_data(target.getvalue(), ExplicitVRLittleEndian) == pixel_data(
        data, ExplicitVRLittleEndian
    )


def test_elements_behind_the_pixel_data_obey_the_rules():
    after, _ = process(big_object())

    assert b"Schmidt" not in after
    assert 0xFFFCFFFC not in decode(after)


def test_a_deflated_object_is_deflated_again():
    dataset = ct_header(StudyDescription="Thorax", BitsAllocated=16, PixelRepresentation=0)
    dataset.PixelData = bytes(100_000)
    data = encode(dataset, DeflatedExplicitVRLittleEndian)

    after, result = process(data, DeflatedExplicitVRLittleEndian)

    assert len(after) < 5000
    assert result.size == len(after)
    assert decode(after, DeflatedExplicitVRLittleEndian).PatientID == "SUBJ-7"


@pytest.mark.parametrize("cut", [1, 7, 9, 29, 101])
def test_an_object_that_ends_too_early_is_an_error(cut: int):
    with pytest.raises(TruncatedDataset):
        process(big_object()[:-cut])


@pytest.mark.parametrize("junk", [b"\x89PNG\r\n\x1a\n" * 20, b"not a data set at all, but text"])
def test_junk_is_an_error(junk: bytes):
    with pytest.raises(MalformedDataset):
        process(junk)

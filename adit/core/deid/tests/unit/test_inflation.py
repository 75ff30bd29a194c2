"""A few deflated bytes do not become more than memory and disk can hold."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from adit.core.deid import (
    Assignment,
    DeidentificationError,
    OwnRule,
    Pseudonymizer,
    RuleAction,
    pixel_copy,
    preview,
)
from adit.core.deid.tests.objects import ct_header, decode, encode, process, profile

MIB = 1 << 20
SYNTAX = DeflatedExplicitVRLittleEndian


def deflated(pieces: Iterator[bytes] | list[bytes]) -> bytes:
    compress = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join(map(compress.compress, pieces)) + compress.flush()


def element(tag: int, vr: bytes, length: int) -> bytes:
    return (
        (tag >> 16).to_bytes(2, "little")
        + (tag & 0xFFFF).to_bytes(2, "little")
        + vr
        + bytes(2)
        + length.to_bytes(4, "little")
    )


class Nowhere:
    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self.size += len(data)
        return len(data)


def run(data: bytes) -> Nowhere:
    target = Nowhere()
    pseudonymizer = Pseudonymizer(profile(), Assignment(pseudonym="S"))
    pseudonymizer.process(io.BytesIO(data), target, DeflatedExplicitVRLittleEndian)
    return target


@pytest.mark.parametrize("vr", [b"UT", b"OB", b"UN"])
def test_a_header_that_grows_out_of_nothing_is_refused_before_it_is_in_memory(vr: bytes):
    length = 900 * MIB
    zeros = bytes(MIB)
    header = encode(ct_header()) + element(0x00420011, vr, length)
    data = deflated([header, *[zeros] * 900])
    assert len(data) < 2 * MIB

    tracemalloc.start()
    try:
        with pytest.raises(DeidentificationError, match="deflated header grows beyond"):
            run(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 400 * MIB


def test_pixel_data_that_grows_without_end_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixel_copy, "LARGEST_INFLATED", 32 * MIB)
    zeros = bytes(MIB)
    header = encode(ct_header()) + element(0x7FE00010, b"OW", 64 * MIB)
    data = deflated([header, *[zeros] * 64])

    with pytest.raises(DeidentificationError, match="grows beyond 32 MiB.*not deflated"):
        run(data)


def test_pixel_data_is_refused_by_its_declared_length_before_it_is_inflated():
    data = deflated([encode(ct_header()) + element(0x7FE00010, b"OW", 2000 * MIB), bytes(MIB)])

    with pytest.raises(DeidentificationError, match="grows beyond 1024 MiB"):
        run(data)
    with pytest.raises(DeidentificationError, match="grows beyond 1024 MiB"):
        preview(profile(), Assignment(pseudonym="S"), io.BytesIO(data), SYNTAX)


def test_a_preview_looks_behind_deflated_pixels():
    dataset = ct_header()
    dataset.private_block(0x7FE3, "MAKER", create=True).add_new(1, "LO", "Schmidt")
    header, tail = encode(dataset[:0x7FE00000]), encode(dataset[0x7FE00000:])
    data = deflated([header, element(0x7FE00010, b"OW", MIB), bytes(MIB), tail])
    keep = OwnRule(
        tag="7FE30001", private_creator="MAKER", vr="LO", action=RuleAction.KEEP, reason="Test"
    )
    under = profile(own_rules=(keep,))

    _, sent = process(data, SYNTAX, under=under)
    shown = preview(under, Assignment(pseudonym="S"), io.BytesIO(data), SYNTAX)

    assert shown.findings == sent.findings != []
    assert [row.before for row in shown.rows if row.tag == "(7FE3,1001)"] == ["Schmidt"]


def test_large_headers_and_black_images_pass():
    # Farther apart than 32 KiB no repetition is seen by Deflate.
    some = "\\".join(f"{n * 7919 % 100003 / 7:.3f}" for n in range(100_000))
    numbers = "\\".join([some] * 30).encode()
    assert len(numbers) > pixel_copy.SMALL_HEADER
    contour = numbers[: len(numbers) & ~1]
    data = deflated(
        [
            encode(ct_header()),
            element(0x00480102, b"UN", len(contour)) + contour,
            element(0x7FE00010, b"OW", 64 * MIB),
            *[bytes(MIB)] * 64,
        ]
    )

    assert run(data).size > 0


def test_a_deflated_object_of_usual_size_is_processed():
    dataset = ct_header(PixelData=bytes(2 * MIB))
    dataset["PixelData"].VR = "OW"

    after, _ = process(
        encode(dataset, DeflatedExplicitVRLittleEndian), DeflatedExplicitVRLittleEndian
    )

    assert decode(after, DeflatedExplicitVRLittleEndian).PixelData == dataset.PixelData

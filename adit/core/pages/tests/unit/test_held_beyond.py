"""What no picture of a frame shows is said."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from adit.core.pages.held.beyond import beyond_pictures

JPEG_FRAME = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x03\0\x05\x01\x01\x11\0" + bytes(8) + b"\xff\xd9"


def image(syntax=ExplicitVRLittleEndian, **attributes) -> Dataset:
    """Three rows, five columns of 8 bits."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.BitsAllocated = 3, 5, 1, 8
    ds.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({}, 16),  # with its pad byte
        ({"BitsAllocated": 1, "NumberOfFrames": 3}, 6),
        ({"BitsAllocated": 16, "NumberOfFrames": 2, "SamplesPerPixel": 3}, 180),
        ({"Columns": 4, "SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422"}, 24),
    ],
)
def test_bytes_after_the_last_frame_are_counted(attributes, size):
    assert list(beyond_pictures(image(**attributes, PixelData=bytes(size)))) == []
    (words,) = beyond_pictures(image(**attributes, PixelData=bytes(size + 15)))
    assert words == "The pixels go on for 15 bytes after the last frame."


def test_maps_of_floating_point_numbers_are_counted_in_their_own_size():
    data = np.zeros(15, "<f4").tobytes()
    assert list(beyond_pictures(image(FloatPixelData=data))) == []
    assert "16 bytes" in next(beyond_pictures(image(FloatPixelData=data + bytes(16))))


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize(
    ("syntax", "frame"),
    [
        (RLELossless, bytes(70)),
        (JPEGBaseline8Bit, JPEG_FRAME),
        (JPEG2000Lossless, b"no marker " + b"\xff\xd9"),
    ],
)
def test_compressed_frames_after_the_last_are_counted(syntax, frame, table):
    data = encapsulate([frame] * 3, has_bot=table)
    assert list(beyond_pictures(image(syntax, NumberOfFrames=3, PixelData=data))) == []
    (words,) = beyond_pictures(image(syntax, NumberOfFrames=1, PixelData=data))
    assert words == "The pixels hold 3 frames, and the header tells of 1: 2 cannot be shown."


def test_a_frame_in_several_fragments_is_one():
    data = encapsulate([JPEG_FRAME], fragments_per_frame=3)
    assert list(beyond_pictures(image(JPEGBaseline8Bit, PixelData=data))) == []


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("signed", [0, 1])
def test_frames_with_bits_above_the_values_are_named(order, signed):
    pixels = np.full((30, 3, 5), -2048 * signed, f"{order}i2")
    syntax = ExplicitVRLittleEndian if order == "<" else ExplicitVRBigEndian
    ds = image(syntax, BitsAllocated=16, BitsStored=12, PixelRepresentation=signed)
    ds.NumberOfFrames, ds.PixelData = 30, pixels.tobytes()
    assert list(beyond_pictures(ds)) == []
    pixels[6, 2, 4] ^= 1 << 12
    ds.PixelData = pixels.tobytes()
    assert list(beyond_pictures(ds)) == ["Bits above those of the values are set in frame 7."]
    pixels[5:, 0, 0] ^= 1 << 14
    ds.PixelData = pixels.tobytes()
    (words,) = beyond_pictures(ds)
    assert "are set in frames 6, 7, 8," in words and words.endswith(", 25 and 5 more.")


@pytest.mark.timeout(20)
def test_frames_that_are_not_there_are_not_looked_for():
    ds = image(BitsAllocated=16, BitsStored=12, NumberOfFrames=10**12)
    ds.PixelData = np.full((2, 3, 5), 0x8000, "<u2").tobytes() + b"\0"
    (words,) = beyond_pictures(ds)
    assert words.endswith("set in frames 1, 2.")


@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_a_codestream_after_another_in_one_fragment_is_counted(pad):
    data = encapsulate([JPEG_FRAME + pad + JPEG_FRAME])
    assert "hold 2 frames" in next(beyond_pictures(image(JPEGBaseline8Bit, PixelData=data)))


def test_frames_that_an_extended_table_tells_of_are_counted():
    data, offsets, lengths = encapsulate_extended([b"unmarked"] * 2)
    ds = image(JPEG2000Lossless, PixelData=data, ExtendedOffsetTable=offsets)
    ds.ExtendedOffsetTableLengths = lengths
    assert "hold 2 frames" in next(beyond_pictures(ds))


def test_overlays_and_curves_are_named():
    ds = image(PixelData=bytes(16))
    ds.add_new(0x60003000, "OW", bytes(2))
    ds.add_new(0x60020010, "US", 3)  # no data, nothing to draw
    ds.add_new(0x60043000, "OW", bytes(2))
    ds.add_new(0x50003000, "OW", bytes(2))
    overlays, curves = beyond_pictures(ds)
    assert "(6000,3000), (6004,3000)" in overlays and "overlay" in overlays
    assert "(5000,3000)" in curves and "curve" in curves


def test_what_cannot_be_counted_is_said_so():
    ds = image(PixelData=bytes(16))
    del ds.Rows
    assert "is unknown" in next(beyond_pictures(ds))

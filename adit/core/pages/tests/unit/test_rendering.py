"""Frames as people see them: what the pixels say must be visible."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HEVCMP51,
    MPEG2MPMLF,
    MPEG4HP41,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from adit.core.pages.rendering import CannotRender, Window, render_frame


def path_of(name: str) -> str:
    """Of a file that comes with pydicom."""
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return path


def image(pixels: np.ndarray, **attributes) -> Dataset:
    """Pixels of 16 bits: rows and columns, with frames before them where there are several."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation, ds.SamplesPerPixel = 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    if pixels.ndim == 3:
        ds.NumberOfFrames = len(pixels)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.PixelData = pixels.astype("<u2").tobytes()
    return ds


def shown(ds, frame=1, window=Window.VIEWER) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(render_frame(ds, frame, window).png)))


RAMP = np.arange(16).reshape(4, 4) * 100
OF_VALUES = (Window.VIEWER, Window.FULL, Window.EQUAL)


def test_the_window_of_the_header_is_applied_after_the_rescale():
    ds = image(RAMP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=200)
    values = RAMP * 2.0 - 1000
    grey = shown(ds)
    assert (grey[values <= -100] == 0).all() and (grey[values >= 100] == 255).all()
    assert 100 < grey[values == 0][0] < 150


def test_what_the_window_hides_is_seen_in_the_others():
    pixels = np.full((8, 8), 3000)
    pixels[2, 2:6] = 4000  # written above what the window shows
    pixels[7, 7] = 60_000
    ds = image(pixels, WindowCenter=500, WindowWidth=400)
    assert len(np.unique(shown(ds)[:4])) == 1
    assert shown(ds, window=Window.FULL)[2, 3] > shown(ds, window=Window.FULL)[0, 0]
    equal = shown(ds, window=Window.EQUAL).astype(int)
    assert equal[2, 3] - equal[0, 0] > 200


def test_inverted_images_are_inverted():
    ds = image(RAMP, PhotometricInterpretation="MONOCHROME1")
    for window in OF_VALUES:
        grey = shown(ds, window=window)
        assert grey[0, 0] > grey[3, 3]


def test_each_frame_has_its_own_window_in_enhanced_objects():
    def group(centre):
        voi, item = Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = centre, 100
        item.FrameVOILUTSequence = [voi]
        return item

    ds = image(np.stack([RAMP, RAMP]))
    ds.PerFrameFunctionalGroupsSequence = [group(50), group(5000)]
    assert shown(ds, 1)[3, 3] == 255
    assert shown(ds, 2).max() == 0
    assert render_frame(ds, 2).frames == 2


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("signed", [0, 1])
def test_bits_above_the_values_are_told_of_and_shown_alone(signed, compressed):
    values = RAMP - 700 * signed
    pixels = np.stack([values, values]) & 0xFFFF
    pixels[1, 1, 1:3] ^= 1 << 13  # what is written there
    pixels[1, 2, 0] ^= 1 << 15
    ds = image(pixels, BitsStored=12, HighBit=11, PixelRepresentation=signed)
    if compressed:
        ds.compress(RLELossless, generate_instance_uid=False)
    assert render_frame(ds, 1).unused_bits == ()
    assert shown(ds, 1, Window.UNUSED).max() == 0
    for window in Window:
        assert render_frame(ds, 2, window).unused_bits == (13, 15)
    for window in OF_VALUES:
        assert (shown(ds, 2, window) == shown(ds, 1, window)).all()
    expected = np.zeros((8, 4))
    expected[1, 1:3] = expected[4 + 2, 0] = 255
    assert (shown(ds, 2, Window.UNUSED) == expected).all()
    assert render_frame(ds, 2, Window.UNUSED).height == 8


def test_unused_bits_are_found_in_big_endian_pixels():
    ds = image(RAMP)
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.BitsStored, ds.HighBit, ds["PixelData"].VR = 12, 11, "OW"
    ds.PixelData = (RAMP | 1 << 14).astype(">u2").tobytes()
    assert render_frame(ds).unused_bits == (14,)


def test_unused_bits_of_colours_are_shown_together():
    pixels = np.zeros((4, 4, 3), "<u2")
    pixels[0, 0, 0] = pixels[3, 3, 2] = 1 << 15
    ds = image(RAMP, BitsStored=12, HighBit=11, SamplesPerPixel=3, PlanarConfiguration=0)
    ds.PhotometricInterpretation, ds.PixelData = "RGB", pixels.tobytes()
    grey = shown(ds, window=Window.UNUSED)
    assert grey.shape == (4, 4) and [grey[0, 0], grey[3, 3], grey.sum()] == [255, 255, 510]


@pytest.mark.parametrize("frame", [0, 3, 10**8])
def test_a_frame_that_is_not_there_is_said_so(frame):
    with pytest.raises(CannotRender, match=f"no frame {frame}: the object has 2"):
        render_frame(image(np.stack([RAMP, RAMP])), frame)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("SC_rgb_jpeg_dcmtk.dcm", "RGB"),
        ("OBXXXX1A_rle.dcm", "RGB"),
        ("examples_palette.dcm", "RGB"),
        ("JPEG2000.dcm", "L"),
        ("MR_small_jpeg_ls_lossless.dcm", "L"),
        ("liver_1frame.dcm", "L"),
        ("image_dfl.dcm", "L"),
    ],
)
def test_colours_and_compressed_frames_are_shown(name, mode):
    ds = dcmread(path_of(name))
    for window in OF_VALUES:
        found = render_frame(ds, 1, window)
        picture = Image.open(io.BytesIO(found.png))
        assert (picture.mode, picture.size) == (mode, (ds.Columns, ds.Rows))
        assert not found.scaled


def test_large_frames_are_scaled_down_and_larger_ones_not_decoded():
    found = render_frame(image(np.zeros((2, 5000))))
    assert (found.scaled, found.columns) == (True, 5000)
    ds = image(RAMP)
    ds.Rows = ds.Columns = 65535
    with pytest.raises(CannotRender, match="too large"):
        render_frame(ds)


def test_a_codestream_of_another_size_is_not_decoded():
    ds = dcmread(path_of("JPEG2000.dcm"))
    ds.Rows = 16
    with pytest.raises(CannotRender, match="another size than the header says"):
        render_frame(ds)


@pytest.mark.parametrize(
    "syntax", [MPEG2MPMLF, MPEG4HP41, HEVCMP51, f"{MPEG4HP41}.1", "1.2.840.10008.1.2.7.1"]
)
def test_a_video_is_said_to_be_one(syntax):
    ds = image(RAMP)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([b"video"])
    with pytest.raises(CannotRender, match="It is a video"):
        render_frame(ds)


def test_broken_pixels_and_none_are_said_so_without_their_values():
    ds = image(RAMP)
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.PixelData = encapsulate([b"Zabolotny"])
    with pytest.raises(CannotRender, match="cannot be shown here") as caught:
        render_frame(ds)
    assert "Zabolotny" not in str(caught.value)
    ds = image(RAMP)
    ds.PixelData = b"\0"
    with pytest.raises(CannotRender, match="cannot be shown here"):
        render_frame(ds)
    del ds.PixelData
    with pytest.raises(CannotRender, match="no pixels"):
        render_frame(ds)


def test_maps_of_floating_point_numbers_are_shown():
    ds = image(RAMP, BitsAllocated=32)
    del ds.PixelData
    ds.FloatPixelData = np.array([[np.nan, 1, 2, 3]] * 4, "<f4").tobytes()
    for window in (Window.FULL, Window.EQUAL):
        assert shown(ds, window=window)[0, 3] == 255

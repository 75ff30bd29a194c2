"""Known regions of devices are blanked in pixel data of all kinds, and nothing else is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels.utils import set_pixel_data
from pydicom.uid import ExplicitVRLittleEndian

from adit.core.deid import (
    Assignment,
    BurnedInPolicy,
    DeviceRegion,
    FindingKind,
    Option,
    clean_pixels,
    pixel_policy,
    preview,
)
from adit.core.deid.clean_pixels import Layout, blank
from adit.core.deid.codestream_size import sizes_in
from adit.core.deid.tests.objects import ct_header, decode, encode, part10, process, profile, sample

SAMPLES = [
    "CT_small.dcm",  # signed, monochrome
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "US1_J2KR.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "SC_rgb_16bit_2frame.dcm",
    "SC_rgb_expb_16bit_2frame.dcm",
    "ExplVR_BigEnd.dcm",
    "examples_ybr_color.dcm",
    "examples_palette.dcm",
    "liver.dcm",  # one bit a pixel
    "emri_small.dcm",  # multi-frame
    "rtdose.dcm",  # 32 bits
]


def path_of(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path)


def region(dataset: pydicom.Dataset, *boxes: tuple[int, int, int, int], **changes) -> DeviceRegion:
    settings = {
        "manufacturer": "*",
        "model": "*",
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "boxes": boxes,
    }
    return DeviceRegion(**{**settings, **changes})


def pixels(data: bytes) -> np.ndarray:
    dataset = pydicom.dcmread(io.BytesIO(data))
    array = dataset.pixel_array
    return array if int(dataset.get("NumberOfFrames") or 1) > 1 else array[np.newaxis]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_box_is_blank_and_the_rest_as_it_was(name: str):
    path = path_of(name)
    data, syntax = sample(path)
    original = pydicom.dcmread(path)
    x1, y1 = int(original.Columns) // 2 & ~1, int(original.Rows) // 4
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(region(original, (0, 0, x1, y1)),))

    after, result = process(data, syntax, under=under)

    assert result.pixels_cleaned
    compressed = original.file_meta.TransferSyntaxUID.is_compressed
    deflated = original.file_meta.TransferSyntaxUID.is_deflated
    encapsulated = compressed and not deflated
    assert result.transfer_syntax_uid == (ExplicitVRLittleEndian if encapsulated else syntax)
    cleaned = pixels(part10(after, result.transfer_syntax_uid, result))
    box = cleaned[:, :y1, :x1]
    assert len({tuple(np.atleast_1d(value)) for value in box.reshape(-1, *box.shape[3:])}) == 1
    before = pixels(path.read_bytes())
    assert np.array_equal(cleaned[:, y1:], before[:, y1:])
    assert np.array_equal(cleaned[:, :y1, x1:], before[:, :y1, x1:])


def test_the_method_and_the_annotation_say_so():
    path = path_of("US1_UNCI.dcm")
    data, syntax = sample(path)
    under = profile(
        Option.CLEAN_PIXEL_DATA,
        device_regions=(region(pydicom.dcmread(path), (0, 0, 100, 20)),),
    )

    after, result = process(data, syntax, under=under)

    dataset = decode(after, syntax)
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101"]
    assert dataset.BurnedInAnnotation == "NO"
    assert result.findings == []


def test_an_image_of_another_size_or_device_is_not_cleaned():
    path = path_of("US1_UNCI.dcm")
    data, syntax = sample(path)
    original = pydicom.dcmread(path)
    for changes in ({"rows": 7}, {"manufacturer": "Other*"}, {"modality": "CT"}):
        boxes = ((0, 0, 5, 5),)
        under = profile(
            Option.CLEAN_PIXEL_DATA, device_regions=(region(original, *boxes, **changes),)
        )

        after, result = process(data, syntax, under=under)

        assert not result.pixels_cleaned
        assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN]
        assert "BurnedInAnnotation" not in decode(after, syntax)


def image(**attributes: object) -> pydicom.Dataset:
    """A small image of a CT whose device says that it burns nothing in."""
    dataset = ct_header(
        Manufacturer="ACME", ManufacturerModelName="One", BurnedInAnnotation="NO", **attributes
    )
    set_pixel_data(dataset, np.full((8, 8), 200, np.uint8), "MONOCHROME2", 8)
    return dataset


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({"rows": 9, "modality": "CT"}, True),
        ({"columns": 9, "modality": "CT"}, True),
        ({"rows": 9}, False),  # perhaps of screens alone
        ({"rows": 9, "modality": "MR"}, False),
        ({"rows": 9, "modality": "CT", "model": "Two"}, False),
        ({"modality": "CT"}, False),
    ],
)
def test_an_image_of_a_size_without_region_is_held_where_its_kind_has_one(
    changes: dict[str, object], held: bool
):
    entry = region(image(), (0, 0, 8, 2), **{"manufacturer": "acme", "model": "one", **changes})
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(entry,))

    _, result = process(encode(image()), under=under)

    assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN] * held
    assert result.pixels_cleaned == (changes == {"modality": "CT"})


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[0, 0, 9, 2]], "reaches over the image of 8 columns and 4 rows"),
        ([[0, 0, 8, 5]], "reaches over the image"),
        ([[90, 90, 99, 99]], "reaches over the image"),
        ([[0, 0, 0, 0]], "x0 < x1"),
        ([[-1, 0, 2, 2]], "x0 < x1"),
        ([[0, 0, 70000, 2]], "reaches over the image"),
    ],
)
def test_a_region_that_lies_not_in_the_image_is_refused(boxes: list[list[int]], words: str):
    data = {"manufacturer": "*", "model": "*", "rows": 4, "columns": 8, "boxes": boxes}

    with pytest.raises(ValueError, match=words):
        DeviceRegion.from_json(data)
    with pytest.raises(ValueError, match="rows: between 1 and 65535"):
        DeviceRegion.from_json({**data, "rows": 65536})


def test_the_name_of_a_device_is_a_pattern_without_case():
    entry = DeviceRegion(
        manufacturer="philips*", model="EPIQ [7]?", rows=4, columns=4, boxes=((0, 0, 1, 1),)
    )
    image = {"modality": "US", "rows": 4, "columns": 4}

    assert entry.matches(manufacturer="Philips Healthcare", model="epiq [7]?", **image)
    assert not entry.matches(manufacturer="Philips", model="EPIQ 7G", **image)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("samples", [1, 3])
def test_planes_signs_and_frames(planar: int, signed: bool, samples: int):
    layout = Layout(
        rows=4,
        columns=6,
        frames=3,
        samples=samples,
        planar=bool(planar),
        bits_allocated=16,
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
    )
    shape = (3, samples, 4, 6) if planar and samples > 1 else (3, 4, 6, samples)
    kind = np.int16 if signed else np.uint16
    array = np.arange(1, 1 + np.prod(shape), dtype=kind).reshape(shape)

    done = np.frombuffer(blank(array.tobytes(), layout, ((1, 1, 3, 2),)), kind).reshape(shape)

    if planar and samples > 1:
        array, done = np.moveaxis(array, 1, 3), np.moveaxis(done, 1, 3)
    assert not done[:, 1:2, 1:3].any()
    expected = array.copy()
    expected[:, 1:2, 1:3] = 0
    assert np.array_equal(done, expected)


def test_pixel_data_that_cannot_be_cleaned_is_held():
    dataset = ct_header(
        Rows=8,
        Columns=8,
        BitsAllocated=8,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BurnedInAnnotation="NO",
    )
    dataset.add_new(0x7FE00010, "OB", bytes(10))
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(region(dataset, (0, 0, 8, 2)),))

    _, result = process(encode(dataset), under=under)

    assert [str(item) for item in result.findings] == ["burned_in in (7FE0,0010) PixelData"]
    assert not result.pixels_cleaned


def test_bytes_are_the_same_every_time():
    path = path_of("US1_J2KR.dcm")
    data, syntax = sample(path)
    under = profile(
        Option.CLEAN_PIXEL_DATA,
        device_regions=(region(pydicom.dcmread(path), (0, 0, 100, 20)),),
        burned_in=BurnedInPolicy.ALLOW,
    )

    one, _ = process(data, syntax, under=under, assignment=Assignment(pseudonym="S"))
    two, _ = process(data, syntax, under=under, assignment=Assignment(pseudonym="S"))

    assert one == two


def test_what_was_compressed_with_loss_still_says_so():
    path = path_of("SC_rgb_jpeg_dcmtk.dcm")
    data, syntax = sample(path)
    original = pydicom.dcmread(path)
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(region(original, (0, 0, 4, 4)),))

    after, result = process(data, syntax, under=under)

    dataset = decode(after, result.transfer_syntax_uid)
    assert dataset.get("LossyImageCompression") == original.get("LossyImageCompression")
    assert dataset.PhotometricInterpretation == "RGB"


def test_more_pixels_than_are_decoded_are_not_and_the_object_is_held(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(clean_pixels, "LARGEST_DECODED", 1000)
    path = path_of("MR_small_RLE.dcm")
    data, syntax = sample(path)
    original = pydicom.dcmread(path)
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(region(original, (0, 0, 4, 4)),))

    _, result = process(data, syntax, under=under)

    assert [finding.kind for finding in result.findings] == [FindingKind.BURNED_IN]
    assert not result.pixels_cleaned


@pytest.mark.parametrize(
    "name", ["MR_small_jpeg_ls_lossless.dcm", "US1_J2KR.dcm", "SC_rgb_jpeg_dcmtk.dcm"]
)
def test_a_compressed_frame_of_another_size_than_its_header_is_never_decoded(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    data, syntax = sample(path_of(name))
    original = decode(data, syntax)
    original["PixelData"].is_undefined_length = True
    original.Rows, original.Columns = 32, 32
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(region(original, (0, 0, 4, 4)),))
    buffer = io.BytesIO()
    original.save_as(buffer, implicit_vr=False, little_endian=True)
    monkeypatch.setattr(pixel_policy, "decode_and_blank", None)

    _, result = process(buffer.getvalue(), syntax, under=under)

    assert [finding.kind for finding in result.findings] == [FindingKind.BURNED_IN]


@pytest.mark.parametrize("name", [name for name in SAMPLES if "J2K" in name or "jpeg" in name])
def test_a_compressed_frame_tells_its_size(name: str):
    original = pydicom.dcmread(path_of(name))
    frames = int(original.get("NumberOfFrames") or 1)
    sizes = list(sizes_in(original.PixelData))
    assert sizes == [(original.Rows, original.Columns)] * frames


def test_a_preview_decodes_no_large_image(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixel_policy, "LARGEST_SHOWN", 1000)
    monkeypatch.setattr(pixel_policy, "decode_and_blank", None)
    path = path_of("US1_J2KR.dcm")
    data, syntax = sample(path)
    original = pydicom.dcmread(path)
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(region(original, (0, 0, 4, 4)),))

    found = preview(under, Assignment(pseudonym="S"), io.BytesIO(data), syntax)
    start = data.rindex(b"\xff\x4f\xff\x51") + 60
    broken = data[:start] + bytes(40) + data[start + 40 :]
    spoilt = preview(under, Assignment(pseudonym="S"), io.BytesIO(broken), syntax)

    def said(rows) -> list[str]:
        return [row.after for row in rows if row.keyword == "BurnedInAnnotation"]

    assert said(found.rows) == ["NO"] and not found.findings
    assert said(spoilt.rows) != ["NO"]
    assert [item.kind for item in spoilt.findings] == [FindingKind.BURNED_IN]


def test_set_pixel_data_of_pydicom_agrees_with_the_layout():
    dataset = ct_header(Modality="OT")
    set_pixel_data(dataset, np.full((4, 4, 3), 200, np.uint8), "RGB", 8)
    under = profile(Option.CLEAN_PIXEL_DATA, device_regions=(region(dataset, (0, 0, 2, 2)),))

    after, _ = process(encode(dataset), under=under)

    array = np.frombuffer(decode(after).PixelData, np.uint8).reshape(4, 4, 3)
    assert array.sum() == 200 * 3 * 12

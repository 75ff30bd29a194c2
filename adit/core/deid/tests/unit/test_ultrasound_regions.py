"""Outside of the regions that an ultrasound image declares, its pixels are blanked."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from adit.core.deid import BurnedInPolicy, DeidResult, DeviceRegion, FindingKind, Option
from adit.core.deid.tests.objects import (
    ct_header,
    decode,
    encode,
    part10,
    process,
    profile,
    sample,
    sample_files,
)
from adit.core.deid.ultrasound_regions import boxes_outside, is_believable

US_IMAGE, SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.7"
CLEANING = profile(Option.CLEAN_PIXEL_DATA)


def region(*corners: int, spatial_format: int = 1) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat = spatial_format
    item.RegionDataType = 1
    item.RegionLocationMinX0, item.RegionLocationMinY0 = corners[:2]
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = corners[2:]
    return item


def ultrasound(*regions: Dataset, **changes: object) -> Dataset:
    """An image of 20 rows and 30 columns, all of value 200."""
    settings: dict[str, object] = {
        "SOPClassUID": US_IMAGE,
        "Modality": "US",
        "Rows": 20,
        "Columns": 30,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
    }
    dataset = ct_header(**{**settings, **changes})
    if regions:
        dataset.SequenceOfUltrasoundRegions = list(regions)
    dataset.add_new(0x7FE00010, "OB", bytes([200]) * 600)
    return dataset


def left(dataset: Dataset, **changes) -> tuple[set[tuple[int, int]], DeidResult]:
    """Rows and columns of pixels that are as they were, and the result."""
    after, result = process(encode(dataset), under=profile(Option.CLEAN_PIXEL_DATA, **changes))
    array = np.frombuffer(decode(after).PixelData, np.uint8).reshape(20, 30)
    return {(int(y), int(x)) for y, x in np.argwhere(array)}, result


def rectangle(x0: int, y0: int, x1: int, y1: int) -> set[tuple[int, int]]:
    """Both corners are inside, as the standard has it."""
    return {(y, x) for y in range(y0, y1 + 1) for x in range(x0, x1 + 1)}


def test_the_union_of_the_regions_stays():
    kept, result = left(ultrasound(region(2, 3, 10, 8), region(8, 5, 20, 15, spatial_format=3)))

    assert kept == rectangle(2, 3, 10, 8) | rectangle(8, 5, 20, 15)
    assert result.pixels_cleaned
    assert result.findings == []


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("undefined", [False, True])
def test_regions_are_read_in_every_encoding(syntax: str, undefined: bool):
    dataset = ultrasound(region(2, 3, 10, 8))
    dataset["SequenceOfUltrasoundRegions"].is_undefined_length = undefined

    _, result = process(encode(dataset, syntax), syntax, under=CLEANING)

    assert result.pixels_cleaned


def test_the_object_says_that_its_pixels_were_cleaned():
    after, _ = process(encode(ultrasound(region(2, 3, 10, 8))), under=CLEANING)

    dataset = decode(after)
    assert dataset.BurnedInAnnotation == "NO"
    assert [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence][-1] == "113101"


NOT_TO_BE_BELIEVED = {
    "none declared": (),
    "right of the image": (region(2, 3, 31, 8),),
    "below the image": (region(2, 3, 10, 21),),
    "one of two outside": (region(2, 3, 10, 8), region(2, 3, 300, 200)),
    "corners swapped": (region(10, 8, 2, 3),),
    "graphics only": (region(2, 3, 10, 8, spatial_format=5),),
    "without corners": (Dataset(),),
    "the whole image": (region(0, 0, 29, 19),),
    "all but the last row": (region(0, 0, 29, 18),),
    "all but the last column": (region(0, 0, 28, 19),),
    "all but a frame of one pixel": (region(1, 1, 28, 18),),
    "all of it in two parts with a gap": (region(0, 0, 29, 7), region(0, 12, 29, 19)),
}


@pytest.mark.parametrize("kind", NOT_TO_BE_BELIEVED)
@pytest.mark.parametrize("policy", BurnedInPolicy)
def test_otherwise_the_policy_for_burned_in_text_applies(kind: str, policy: BurnedInPolicy):
    dataset = ultrasound(*NOT_TO_BE_BELIEVED[kind])

    _, result = process(encode(dataset), under=profile(Option.CLEAN_PIXEL_DATA, burned_in=policy))

    held = [item.kind for item in result.findings] == [FindingKind.BURNED_IN]
    assert not result.pixels_cleaned
    assert (held, bool(result.excluded)) == (
        policy is BurnedInPolicy.HOLD,
        policy is BurnedInPolicy.EXCLUDE,
    )


@pytest.mark.parametrize(
    ("margins", "believable"),
    [
        ((12, 0, 0, 0), True),  # a line above
        ((0, 12, 0, 0), True),
        ((0, 0, 40, 0), True),  # a word beside
        ((0, 0, 0, 40), True),
        ((11, 11, 39, 39), False),
    ],
)
def test_a_line_of_text_has_room_beside_believable_regions(margins, believable: bool):
    above, below, left_of, right_of = margins
    regions = ((left_of, above, 800 - right_of, 600 - below),)

    assert is_believable(regions, 600, 800) is believable


def test_graphics_beside_image_data_are_blanked():
    kept, _ = left(ultrasound(region(2, 3, 10, 8), region(12, 3, 14, 8, spatial_format=0)))

    assert kept == rectangle(2, 3, 10, 8)


def test_a_corner_on_the_edge_behind_the_last_pixel_is_believed():
    kept, _ = left(ultrasound(region(2, 3, 30, 20)))

    assert kept == rectangle(2, 3, 29, 19)


def test_boxes_of_the_profile_are_blanked_as_well():
    own = DeviceRegion(manufacturer="*", model="*", rows=20, columns=30, boxes=((2, 3, 11, 5),))

    kept, _ = left(ultrasound(region(2, 3, 10, 8), Manufacturer="A"), device_regions=(own,))

    assert kept == rectangle(2, 5, 10, 8)


def test_boxes_of_the_profile_count_where_nothing_is_declared():
    own = DeviceRegion(manufacturer="*", model="*", rows=20, columns=30, boxes=((0, 0, 30, 5),))

    kept, result = left(ultrasound(Manufacturer="A"), device_regions=(own,))

    assert kept == rectangle(0, 5, 29, 19)
    assert result.pixels_cleaned


def test_a_screen_shot_of_an_ultrasound_image_is_not_believed():
    _, result = left(ultrasound(region(2, 3, 10, 8), SOPClassUID=SECONDARY_CAPTURE))

    assert not result.pixels_cleaned


def test_nothing_is_blanked_without_the_option():
    _, result = process(encode(ultrasound(region(2, 3, 10, 8))), under=profile())

    assert not result.pixels_cleaned
    assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN]


CLEANED = {
    "OBXXXX1A.dcm": (120, 60, 800, 576),
    "OBXXXX1A_rle_2frame.dcm": (120, 60, 800, 576),
    "gdcm-US-ALOKA-16.dcm": (32, 24, 639, 415),
    "gdcm-US-ALOKA-16_big.dcm": (32, 24, 639, 415),
    "JPGLosslessP14SV1_1s_1f_8b.dcm": (14, 38, 1010, 758),
}
OF_ANOTHER_SIZE = {"examples_palette.dcm", "examples_ybr_color.dcm"}
"""Cut or made smaller; the regions are those of the original."""


def path_of(name: str) -> Path:
    return next(path for path in sample_files() if path.name == name)


@pytest.mark.parametrize("name", CLEANED)
def test_images_of_real_devices_are_blank_around_their_regions(name: str):
    path = path_of(name)
    data, syntax = sample(path)
    x0, y0, x1, y1 = CLEANED[name]

    after, result = process(data, syntax, under=CLEANING)

    assert result.pixels_cleaned
    cleaned = pydicom.dcmread(io.BytesIO(part10(after, result.transfer_syntax_uid, result)))
    frames = cleaned.pixel_array.reshape(
        int(cleaned.get("NumberOfFrames") or 1), int(cleaned.Rows), int(cleaned.Columns), -1
    )
    assert frames[:, y0:y1, x0:x1].any()
    for around in (frames[:, :y0], frames[:, y1 + 1 :], frames[:, :, :x0], frames[:, :, x1 + 1 :]):
        assert len(np.unique(around.reshape(-1, frames.shape[-1]), axis=0)) <= 1


@pytest.mark.parametrize("name", sorted(OF_ANOTHER_SIZE))
def test_regions_of_an_image_of_another_size_are_not_believed(name: str):
    data, syntax = sample(path_of(name))

    _, result = process(data, syntax, under=CLEANING)

    assert not result.pixels_cleaned
    assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN]


@given(
    st.lists(
        st.tuples(*[st.integers(0, 11), st.integers(0, 8), st.integers(1, 6), st.integers(1, 6)]),
        min_size=1,
        max_size=5,
    )
)
def test_the_boxes_are_exactly_what_no_region_covers(places: list[tuple[int, int, int, int]]):
    regions = tuple((x, y, min(x + w, 12), min(y + h, 9)) for x, y, w, h in places)
    count = np.zeros((9, 12), int)
    for x0, y0, x1, y1 in regions:
        count[y0:y1, x0:x1] = 1
    for x0, y0, x1, y1 in boxes_outside(regions, 9, 12):
        assert x0 < x1 and y0 < y1
        assert not count[y0:y1, x0:x1].any()
        count[y0:y1, x0:x1] = 2

    assert count.all()

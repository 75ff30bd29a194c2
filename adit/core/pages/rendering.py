"""Renders frames as PNG, for people who judge what an image shows. Not for diagnosis."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from adit.core.deid.burned_in import is_video_syntax
from adit.core.deid.codestream_size import sizes_in

LARGEST_DECODED = 1 << 28
"""Bytes that a frame may become."""
LARGEST_SHOWN = 4096
"""Rows or columns of a rendered frame; larger ones are scaled down."""

_ITEM = b"\xfe\xff\x00\xe0"
_LEVELS = 1 << 16
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


class CannotRender(Exception):
    """There is nothing to show, or it cannot be decoded; the message says so in words."""


class Window(StrEnum):
    """How grey values become visible; colours change by `EQUAL` and `UNUSED` only."""

    VIEWER = "viewer"
    FULL = "full"
    EQUAL = "equal"
    UNUSED = "unused"
    """The bits alone that are no part of the values, one picture for each bit, from the lowest at
    the top; black if none is set."""


@dataclass(frozen=True)
class Rendered:
    """A frame as PNG.

    Attributes:
        frame: From 1.
        rows, columns: Of the frame itself.
        scaled: It was scaled down.
        unused_bits: Those above the values that are set in the frame, from 0; overlays may lie
            there (PS3.5 8.1.2).
        pictures: How many are below each other, each of the size of the frame.
    """

    png: bytes
    frame: int
    frames: int
    rows: int
    columns: int
    scaled: bool
    unused_bits: tuple[int, ...] = ()
    pictures: int = 1

    @property
    def height(self) -> int:
        """Of all pictures, in rows of the frame."""
        return self.rows * self.pictures


def has_pixels(dataset: Dataset) -> bool:
    return any(keyword in dataset for keyword in _PIXELS)


def render_frame(dataset: Dataset, frame: int = 1, window: Window = Window.VIEWER) -> Rendered:
    """One frame; display shutters, overlays and presentation states are not applied, so that all
    that the pixels show is seen.

    Args:
        dataset: With file meta information.
        frame: From 1.
        window: The default is that of the header (PS3.3 C.11.2), else what fits most pixels.

    Raises:
        CannotRender: There are no such pixels, no decoder knows them, or they are too large.
    """
    syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
    if not has_pixels(dataset):
        raise CannotRender("The object has no pixels.")
    if is_video_syntax(syntax):
        raise CannotRender(f"It is a video ({syntax.name}), of which no frame can be shown here.")
    try:
        return _render(dataset, syntax, frame, window)
    except CannotRender:
        raise
    except Exception as error:  # decoders raise whatever they meet; texts may quote values
        raise CannotRender(
            f"The pixels ({syntax.name}) cannot be shown here ({type(error).__name__})."
        ) from None


def _render(dataset: Dataset, syntax: UID, frame: int, window: Window) -> Rendered:
    frames = max(int(dataset.get("NumberOfFrames") or 1), 1)
    if not 1 <= frame <= frames:
        raise CannotRender(f"There is no frame {frame}: the object has {frames}.")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if rows * columns * samples * max(int(dataset.get("BitsAllocated") or 8) // 8, 1) > (
        LARGEST_DECODED
    ):
        raise CannotRender(f"A frame of {columns} × {rows} pixels is too large to be shown here.")
    if syntax.is_encapsulated:
        _check_codestream(dataset, frame, frames, rows, columns)
    unused = _unused(dataset, frame)
    bits = _bits_set(unused)
    pictures = 1
    if window is Window.UNUSED:
        picture = _bits_alone(unused, bits, rows, columns)
        pictures = max(len(bits), 1)
    else:
        del unused  # frames may be large
        picture = _picture(pixel_array(dataset, index=frame - 1), dataset, frame, window)
    scaled = max(picture.size) > LARGEST_SHOWN
    if scaled:
        picture.thumbnail((LARGEST_SHOWN, LARGEST_SHOWN))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return Rendered(buffer.getvalue(), frame, frames, rows, columns, scaled, bits, pictures)


def _unused(dataset: Dataset, frame: int) -> np.ndarray | None:
    """What the bits above those stored say beyond the sign: rows and columns, 0 where nothing;
    `None` if there are no such bits. All samples of a pixel together."""
    allocated = int(dataset.get("BitsAllocated") or 8)
    spare = allocated - int(dataset.get("BitsStored") or allocated)
    if "PixelData" not in dataset or allocated == 1 or spare <= 0:
        return None
    whole = pixel_array(dataset, index=frame - 1, raw=True, correct_unused_bits=False)
    unused = unused_bits_in(whole, spare)
    return np.bitwise_or.reduce(unused, axis=-1) if unused.ndim == 3 else unused


def unused_bits_in(whole: np.ndarray, spare: int) -> np.ndarray:
    """What the upper `spare` bits of integers say beyond the sign, unsigned and in their places."""
    unused = np.left_shift(whole, spare)
    unused >>= spare  # the value alone, with its sign
    unused ^= whole
    return unused.view(f"u{whole.dtype.itemsize}")


def _bits_set(unused: np.ndarray | None) -> tuple[int, ...]:
    if unused is None:
        return ()
    every = int(np.bitwise_or.reduce(unused, axis=None))
    return tuple(bit for bit in range(every.bit_length()) if every >> bit & 1)


def _bits_alone(
    unused: np.ndarray | None, bits: tuple[int, ...], rows: int, columns: int
) -> Image.Image:
    if unused is None or not bits:
        return Image.new("L", (columns, rows))
    planes = [((unused >> bit & 1) * 255).astype(np.uint8) for bit in bits]
    return Image.fromarray(np.concatenate(planes), "L")


def _check_codestream(dataset: Dataset, frame: int, frames: int, rows: int, columns: int) -> None:
    """Decoders obey the codestream, which may ask for any amount of memory."""
    data = get_frame(dataset.PixelData, frame - 1, number_of_frames=frames)
    item = _ITEM + len(data).to_bytes(4, "little") + data
    if any(size != (rows, columns) for size in sizes_in(item)):
        raise CannotRender("The compressed frame is of another size than the header says.")


def _picture(array: np.ndarray, dataset: Dataset, frame: int, window: Window) -> Image.Image:
    colours = str(dataset.get("PhotometricInterpretation", ""))
    if colours == "PALETTE COLOR" and "RedPaletteColorLookupTableDescriptor" in dataset:
        array = apply_color_lut(array, dataset)
    if array.ndim == 3:
        if array.dtype.itemsize > 1:
            array = _stretched(array, *_bounds(array))
        picture = Image.fromarray(array[..., :3].astype(np.uint8), "RGB")
        return ImageOps.equalize(picture) if window is Window.EQUAL else picture
    if array.dtype.kind == "f":
        array = np.nan_to_num(array.astype(np.float64))
    grey = _grey(array, dataset, frame, window)
    if colours == "MONOCHROME1":
        grey = 255 - grey
    return Image.fromarray(grey, "L")


def _grey(array: np.ndarray, dataset: Dataset, frame: int, window: Window) -> np.ndarray:
    if window is Window.EQUAL:
        return _equalised(array)
    if window is Window.FULL:
        return _stretched(array, *_bounds(array))
    rescale = _of_frame(dataset, frame, "PixelValueTransformationSequence")
    values = apply_modality_lut(array, rescale)
    voi = _of_frame(dataset, frame, "FrameVOILUTSequence")
    if voi.get("VOILUTSequence"):
        shown = apply_voi(values, voi)
        return _stretched(shown, 0, 2 ** int(voi.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    centre, width = _first(voi.get("WindowCenter")), _first(voi.get("WindowWidth"))
    if centre is None or width is None or width < 1:
        low, high = np.percentile(values, (0.5, 99.5))
        return _stretched(values, low, high) if low < high else _stretched(array, *_bounds(array))
    half = max(width - 1, 1) / 2
    return _stretched(values, centre - 0.5 - half, centre - 0.5 + half)


def _of_frame(dataset: Dataset, frame: int, name: str) -> Dataset:
    """Where a macro of functional groups stands for a frame (PS3.3 C.7.6.16), else the top."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for group in (*groups[frame - 1 : frame], *shared[:1]):
        if group.get(name):
            return group[name].value[0]
    return dataset


def _first(value: Any) -> float | None:
    value = value[0] if isinstance(value, MultiValue) and value else value
    return None if value in (None, "") or isinstance(value, MultiValue) else float(value)


def _bounds(array: np.ndarray) -> tuple[float, float]:
    return float(array.min()), float(array.max())


def _stretched(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """To 0 … 255, what lies beyond low and high to the ends."""
    share = (array.astype(np.float32) - low) / max(high - low, 1e-9)
    return (np.clip(share, 0, 1) * 255).astype(np.uint8)


def _equalised(array: np.ndarray) -> np.ndarray:
    """Each value by how many pixels lie below it: what is faint anywhere becomes visible."""
    low, high = _bounds(array)
    steps = (array.astype(np.float64) - low) * ((_LEVELS - 1) / max(high - low, 1e-9))
    if array.dtype.kind in "iub" and high - low < _LEVELS:
        steps = array.astype(np.int64) - int(low)
    levels = steps.astype(np.int64)
    below = np.cumsum(np.bincount(levels.ravel()))
    share = (below - below[0]) / max(below[-1] - below[0], 1)
    return (share * 255).astype(np.uint8)[levels]

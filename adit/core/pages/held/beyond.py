"""What an object holds beside what pictures of its frames show."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from pydicom import Dataset
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.uid import UID, RLELossless

from adit.core.pages.rendering import unused_bits_in

_BITS = {"PixelData": None, "FloatPixelData": 32, "DoubleFloatPixelData": 64}
_BEGINS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
"""Of JPEG and JPEG-LS, of JPEG 2000, and of it in a file."""
_OVERLAYS, _CURVES = range(0x6000, 0x6020, 2), range(0x5000, 0x5020, 2)
_MOST_LISTED = 20
_DATA = 0x3000
"""Element of both."""
_END_OF_IMAGE = b"\xff\xd9"
_FOLLOWING = [_END_OF_IMAGE + pad + begin for pad in (b"", b"\0") for begin in _BEGINS]
"""A codestream after another one in the same fragment."""


def beyond_pictures(dataset: Dataset) -> Iterator[str]:
    """Sentences on pixels after the last frame, on frames with more in bits above the values, and
    on overlays and curves (PS3.3 C.9), which are not drawn.

    Args:
        dataset: With file meta information.
    """
    syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
    for keyword, bits in _BITS.items():
        if keyword in dataset:
            yield from _beyond_frames(dataset, keyword, bits, syntax)
    overlays = [f"({group:04X},{_DATA:04X})" for group in _held(dataset, _OVERLAYS)]
    if overlays:
        yield f"An overlay is held beside the pixels and not drawn: {', '.join(overlays)}."
    curves = [f"({group:04X},{_DATA:04X})" for group in _held(dataset, _CURVES)]
    if curves:
        yield f"A curve is held beside the pixels and not drawn: {', '.join(curves)}."


def _held(dataset: Dataset, groups: range) -> list[int]:
    return [group for group in groups if (group, _DATA) in dataset]


def _beyond_frames(dataset: Dataset, keyword: str, bits: int | None, syntax: UID) -> Iterator[str]:
    try:
        frames = max(int(dataset.get("NumberOfFrames") or 1), 1)
        if syntax.is_encapsulated:
            found = _frames_in(dataset, syntax)
            if found > frames:
                yield (
                    f"The pixels hold {found} frames, and the header tells of {frames}: "
                    f"{found - frames} cannot be shown."
                )
            return
        extra = len(dataset[keyword].value) - _expected(dataset, bits, frames)
        above = list(_frames_with_unused_bits(dataset, frames, syntax)) if frames > 1 else []
    except Exception as error:  # the header may lack or garble anything; texts may quote values
        yield f"Whether the pixels hold more than the frames is unknown ({type(error).__name__})."
        return
    if extra > 0:
        yield f"The pixels go on for {extra} byte{'s'[: extra > 1]} after the last frame."
    if above:
        listed = ", ".join(map(str, above[:_MOST_LISTED]))
        more = f" and {len(above) - _MOST_LISTED} more" if len(above) > _MOST_LISTED else ""
        noun = "frame" if len(above) == 1 else "frames"
        yield f"Bits above those of the values are set in {noun} {listed}{more}."


def _frames_with_unused_bits(dataset: Dataset, frames: int, syntax: UID) -> Iterator[int]:
    """From 1, of pixels that are not compressed; in compressed ones each look tells of its own."""
    allocated = int(dataset.get("BitsAllocated") or 8)
    spare = allocated - int(dataset.get("BitsStored") or allocated)
    if "PixelData" not in dataset or allocated not in (8, 16, 32) or spare <= 0:
        return
    order = "<" if syntax.is_little_endian else ">"
    kind = "i" if dataset.get("PixelRepresentation") else "u"
    size = _samples_of_frame(dataset)
    data, each = dataset.PixelData, allocated // 8
    pixels = np.frombuffer(data, f"{order}{kind}{each}", count=len(data) // each)
    for frame in range(min(frames, len(pixels) // size)):
        if unused_bits_in(pixels[frame * size : (frame + 1) * size], spare).any():
            yield frame + 1


def _expected(dataset: Dataset, bits: int | None, frames: int) -> int:
    """Bytes of pixels that are not compressed, padded to an even number (PS3.5 8.1.1)."""
    samples = _samples_of_frame(dataset) * frames
    size = (samples * (bits or int(dataset.BitsAllocated)) + 7) // 8
    return size + size % 2


def _samples_of_frame(dataset: Dataset) -> int:
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if str(dataset.get("PhotometricInterpretation")) == "YBR_FULL_422":
        samples = 2  # PS3.3 C.7.6.3.1.2: the colours of two pixels in one
    return int(dataset.Rows) * int(dataset.Columns) * samples


def _frames_in(dataset: Dataset, syntax: UID) -> int:
    """How many frames the offsets tell of, or the fragments begin, whichever is more."""
    data = BytesIO(dataset.PixelData)
    offsets = len(parse_basic_offsets(data))
    extended = len(dataset.get("ExtendedOffsetTable") or b"") // 8
    begun, ended = 0, True
    for fragment in generate_fragments(data):
        if ended or syntax == RLELossless or fragment.startswith(_BEGINS):
            begun += 1
        begun += sum(map(fragment.count, _FOLLOWING))
        ended = _END_OF_IMAGE in fragment[-4:]
    return max(offsets, extended, begun)

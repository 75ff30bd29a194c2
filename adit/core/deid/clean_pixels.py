"""Blanks regions of pixel data: native in place, compressed after decoding (PS3.15 E.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRLittleEndian

from .codec import EXPLICIT_LITTLE, Encoding, encode_element
from .codestream_size import sizes_in
from .device_regions import Box
from .engine import Insertion

_CHANGED_BY_DECODING = (
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_GRAY_CHROMA = 128
LARGEST_DECODED, LARGEST_SHOWN = 1 << 30, 1 << 26
"""Bytes that compressed pixel data may become, and may become in a preview, which decodes the first
frame only of larger ones."""


class PixelsNotCleaned(Exception):
    """The pixel data cannot be decoded or has another size than the header says."""


@dataclass(frozen=True)
class Layout:
    """How the samples of native pixel data lie (PS3.5 8, PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    frames: int
    samples: int
    planar: bool
    bits_allocated: int
    photometric_interpretation: str

    @property
    def size(self) -> int:
        """Bytes of all frames, without padding."""
        samples = 2 if self.subsampled else self.samples
        bits = self.frames * self.rows * self.columns * samples * self.bits_allocated
        return (bits + 7) // 8

    @property
    def subsampled(self) -> bool:
        """4:2:2, two pixels in four bytes: Y Y Cb Cr."""
        return self.photometric_interpretation in ("YBR_FULL_422", "YBR_PARTIAL_422")


def layout_of(dataset: Dataset) -> Layout:
    """Layout as the header states it.

    Raises:
        PixelsNotCleaned: An attribute is missing or has no sensible value.
    """
    try:
        return Layout(
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            frames=max(int(dataset.get("NumberOfFrames") or 1), 1),
            samples=int(dataset.get("SamplesPerPixel", 1)),
            planar=int(dataset.get("PlanarConfiguration") or 0) == 1,
            bits_allocated=int(dataset.BitsAllocated),
            photometric_interpretation=str(dataset.get("PhotometricInterpretation", "")),
        )
    except Exception as error:  # pydicom raises many kinds for malformed values
        raise PixelsNotCleaned(type(error).__name__) from None


def blank(pixels: bytes, layout: Layout, boxes: tuple[Box, ...], swapped: bool = False) -> bytes:
    """Native pixel data with the boxes blank in every frame.

    Blank is zero, in signed and unsigned values alike, and colourless in YBR.

    Args:
        pixels: Frames one after the other, perhaps with a byte of padding.
        layout: How they lie.
        boxes: In pixels.
        swapped: Bytes lie swapped in words (8 bits in OW, big endian; PS3.5 8.1.1).

    Raises:
        PixelsNotCleaned: There are fewer bytes than the layout needs, or the layout is unknown.
    """
    if len(pixels) < layout.size:
        raise PixelsNotCleaned("The pixel data is shorter than its header says.")
    data = np.frombuffer(bytearray(pixels), np.uint8)
    if swapped:
        data = data.reshape(-1, 2)[:, ::-1].reshape(-1).copy()
    used = data[: layout.size]
    if layout.bits_allocated == 1:
        used[:] = _blank_bits(used, layout, boxes)
    elif layout.bits_allocated % 8:
        raise PixelsNotCleaned("The bits of a sample are no whole bytes.")
    else:
        _blank_bytes(used, layout, boxes)
    if swapped:
        data = data.reshape(-1, 2)[:, ::-1].reshape(-1)
    return data.tobytes()


def _blank_bits(used: np.ndarray, layout: Layout, boxes: tuple[Box, ...]) -> np.ndarray:
    count = layout.frames * layout.rows * layout.columns * layout.samples
    bits = np.unpackbits(used, count=count, bitorder="little")
    frames = bits.reshape(layout.frames, layout.rows, layout.columns, layout.samples)
    for x0, y0, x1, y1 in boxes:
        frames[:, y0:y1, x0:x1] = 0
    return np.packbits(bits, bitorder="little")


def _blank_bytes(used: np.ndarray, layout: Layout, boxes: tuple[Box, ...]) -> None:
    width = layout.bits_allocated // 8
    frames, rows, columns, samples = layout.frames, layout.rows, layout.columns, layout.samples
    colourless = layout.photometric_interpretation.startswith("YBR") and width == 1
    if layout.subsampled:
        if columns % 2 or width != 1 or samples != 3:
            raise PixelsNotCleaned("Subsampled colours need an even width and bytes.")
        pairs = used.reshape(frames, rows, columns // 2, 4)
        for x0, y0, x1, y1 in boxes:
            pairs[:, y0:y1, x0 // 2 : (x1 + 1) // 2] = (0, 0, _GRAY_CHROMA, _GRAY_CHROMA)
        return
    if layout.planar and samples > 1:
        view = used.reshape(frames, samples, rows, columns * width)
        for x0, y0, x1, y1 in boxes:
            view[:, :, y0:y1, x0 * width : x1 * width] = 0
            if colourless:
                view[:, 1:, y0:y1, x0:x1] = _GRAY_CHROMA
        return
    view = used.reshape(frames, rows, columns, samples * width)
    for x0, y0, x1, y1 in boxes:
        view[:, y0:y1, x0:x1] = 0
        if colourless:
            view[:, y0:y1, x0:x1, 1:] = _GRAY_CHROMA


def read_header(header: bytes, encoding: Encoding) -> Dataset:
    """The header as pydicom reads it, for what only decoders need."""
    return read_dataset(BytesIO(header), encoding.implicit, not encoding.big_endian)


def check_size(layout: Layout, fragments: bytes) -> None:
    """Looks at the sizes that header and codestreams tell, before anything is decoded.

    Raises:
        PixelsNotCleaned: They are more than is decoded, or they differ.
    """
    if layout.size > LARGEST_DECODED:
        raise PixelsNotCleaned("The header tells more pixels than are decoded.")
    if any(size != (layout.rows, layout.columns) for size in sizes_in(fragments)):
        raise PixelsNotCleaned("A compressed frame is of another size than the header says.")


def check_first_frame(header: bytes, fragments: bytes, transfer_syntax_uid: str) -> None:
    """Decodes the first frame and drops it; arguments as of `decode_and_blank`.

    Raises:
        PixelsNotCleaned: There is no decoder, or it fails.
    """
    try:
        pixel_array(_compressed(header, fragments, transfer_syntax_uid), index=0, raw=True)
    except Exception as error:  # decoders raise whatever they meet
        raise PixelsNotCleaned(type(error).__name__) from None


def _compressed(header: bytes, fragments: bytes, transfer_syntax_uid: str) -> Dataset:
    dataset = read_header(header, EXPLICIT_LITTLE)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    dataset.set_original_encoding(False, True)
    dataset.add_new(0x7FE00010, "OB", fragments)
    dataset["PixelData"].is_undefined_length = True
    return dataset


def decode_and_blank(
    header: bytes, fragments: bytes, transfer_syntax_uid: str, boxes: tuple[Box, ...]
) -> tuple[list[Insertion], bytes]:
    """Decodes compressed pixel data and blanks the boxes.

    Args:
        header: Elements before the pixel data, explicit little endian.
        fragments: Value of the pixel data element, items and delimiter.
        transfer_syntax_uid: Tells the compression.
        boxes: In pixels.

    Returns:
        Attributes of the pixels that decoding changed, and the pixel data element in explicit
        little endian.

    Raises:
        PixelsNotCleaned: There is no decoder, or it fails.
    """
    try:
        dataset = _compressed(header, fragments, transfer_syntax_uid)
        before = {keyword: dataset.get(keyword) for keyword in _CHANGED_BY_DECODING}
        dataset.decompress(generate_instance_uid=False)
    except Exception as error:  # decoders raise whatever they meet
        raise PixelsNotCleaned(type(error).__name__) from None
    pixels = blank(dataset.PixelData, layout_of(dataset), boxes)
    insertions: list[Insertion] = []
    for keyword in _CHANGED_BY_DECODING:
        element = dataset.get(keyword)
        if element is None or element == before[keyword]:
            continue
        tag = int(dataset[keyword].tag)
        if keyword == "PhotometricInterpretation":
            insertions.append((tag, encode_element(EXPLICIT_LITTLE, tag, b"CS", element.encode())))
        else:
            value = int(element).to_bytes(2, "little")
            insertions.append((tag, encode_element(EXPLICIT_LITTLE, tag, b"US", value)))
    vr = b"OW" if int(dataset.BitsAllocated) > 8 else b"OB"
    return insertions, encode_element(EXPLICIT_LITTLE, 0x7FE00010, vr, pixels)


OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
"""Describe fragments; gone when the pixel data is decoded."""

DECODED_SYNTAX = str(ExplicitVRLittleEndian)

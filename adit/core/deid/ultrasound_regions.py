"""Where an ultrasound image declares its data to lie (PS3.3 C.8.5.5): outside, scanners write text.

Names, ids and dates stand in the frame of the screen around the regions. A declaration is believed
only if it fits the image: devices and archives make smaller copies of images and leave the regions
of the original in the header.
"""

from __future__ import annotations

from .clean_pixels import read_header
from .codec import Encoding
from .device_regions import Box

SEQUENCE_OF_ULTRASOUND_REGIONS = 0x00186011

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_CLASSES = frozenset(_STORAGE + suffix for suffix in ("3", "3.1", "6", "6.1"))
"""Ultrasound images and multi-frame images, and their retired forms."""

_IMAGE_DATA = frozenset({1, 2, 3, 4})
"""RegionSpatialFormat: 2D, M-mode, spectral, wave form; others are graphics such as colour bars."""

_LEAST, _LINE_OF_TEXT, _WORD = 2, 0.02, 0.05
"""Pixels; shares of the height and of the width: a line is 12 of 600 rows, a word 40 of 800
columns, or more."""


def may_declare_regions(sop_class_uid: str) -> bool:
    """Whether objects of the class have the US Region Calibration module."""
    return sop_class_uid in _CLASSES


def declared_regions(
    sequence: bytes, encoding: Encoding, rows: int, columns: int
) -> tuple[Box, ...]:
    """Regions of image data that an object declares, half open.

    Args:
        sequence: The element SequenceOfUltrasoundRegions, encoded.
        encoding: Of the element.
        rows: Height of the image in pixels.
        columns: Width of the image in pixels.

    Returns:
        Empty if none is declared, or if any declared one is malformed or reaches over the image.
        The corners that the standard counts as inside lie one pixel over the edge in images of
        some devices; that is no reason to doubt.
    """
    found: list[Box] = []
    try:
        dataset = read_header(sequence, encoding)
        for item in dataset.get("SequenceOfUltrasoundRegions") or ():
            x0, y0 = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
            x1, y1 = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
            if not (0 <= x0 < x1 <= columns and 0 <= y0 < y1 <= rows):
                return ()
            if int(item.RegionSpatialFormat) in _IMAGE_DATA:
                found.append((x0, y0, min(x1 + 1, columns), min(y1 + 1, rows)))
    except Exception:  # pydicom raises many kinds for malformed values
        return ()
    return tuple(found)


def is_believable(regions: tuple[Box, ...], rows: int, columns: int) -> bool:
    """Whether regions leave a strip along an edge of the image in which a line of text has room.

    Some devices declare the whole image, or all but its last row or column, as one region although
    text stands in it. What is blanked then is nothing that tells anybody.
    """
    if not regions:
        return False
    beside = max(min(x0 for x0, *_ in regions), columns - max(x1 for _, _, x1, _ in regions))
    above = max(min(y0 for _, y0, *_ in regions), rows - max(y1 for *_, y1 in regions))
    return above >= max(_LEAST, rows * _LINE_OF_TEXT) or beside >= max(_LEAST, columns * _WORD)


def boxes_outside(regions: tuple[Box, ...], rows: int, columns: int) -> tuple[Box, ...]:
    """What no region covers, as boxes that do not overlap; empty if there are no regions."""
    if not regions:
        return ()
    edges = sorted({0, rows, *(edge for _, y0, _, y1 in regions for edge in (y0, y1))})
    boxes: list[Box] = []
    for top, bottom in zip(edges, edges[1:], strict=False):
        free = 0
        for x0, y0, x1, y1 in sorted(regions):
            if y0 <= top and bottom <= y1:
                if x0 > free:
                    boxes.append((free, top, x0, bottom))
                free = max(free, x1)
        if free < columns:
            boxes.append((free, top, columns, bottom))
    return tuple(boxes)

"""Blanks what is known to carry text in an object's pixels, and says what stays in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from .burned_in import BURNED_IN_ANNOTATION, PIXEL_DATA, suspicion
from .clean_pixels import (
    DECODED_SYNTAX,
    LARGEST_SHOWN,
    OFFSET_TABLES,
    PixelsNotCleaned,
    blank,
    check_first_frame,
    check_size,
    decode_and_blank,
    layout_of,
    read_header,
)
from .codec import PIXEL_DATA_TAGS, Element, Encoding
from .device_regions import Box, is_of_other_size, regions_for
from .engine import Insertion
from .pixel_copy import Source, read_pixel_data
from .profile import Option, Profile
from .ultrasound_regions import (
    SEQUENCE_OF_ULTRASOUND_REGIONS,
    boxes_outside,
    declared_regions,
    is_believable,
    may_declare_regions,
)

Doubt = tuple[int, str]
"""Tag of the attribute in doubt, and the reason in words."""

SOP_CLASS_UID, MODALITY, ROWS, COLUMNS = 0x00080016, 0x00080060, 0x00280010, 0x00280011
MANUFACTURER, MODEL = 0x00080070, 0x00081090
IMAGE_TYPE, CONVERSION_TYPE = 0x00080008, 0x00080064
WANTED = frozenset(
    {SOP_CLASS_UID, MODALITY, ROWS, COLUMNS, MANUFACTURER, MODEL, BURNED_IN_ANNOTATION}
    | {IMAGE_TYPE, CONVERSION_TYPE}
)
"""Top-level elements whose raw values are needed here."""

_OVERLAY_BIT_POSITION, _OVERLAY_DATA = 0x0102, 0x3000


@dataclass(frozen=True, slots=True)
class Pixels:
    """What was done to the pixel data.

    Attributes:
        transfer_syntax_uid: Of the object that goes out.
        cleaned: All known regions were blanked.
        element: The pixel data element to write; `None`: it is copied as it came.
        insertions: Attributes that decoding changed.
        dropped: Elements that decoding made wrong.
        doubt: The regions are known and could not be blanked.
    """

    transfer_syntax_uid: str
    cleaned: bool = False
    element: bytes | None = None
    insertions: tuple[Insertion, ...] = ()
    dropped: frozenset[int] = frozenset()
    doubt: Doubt | None = None


def clean_pixels(
    profile: Profile,
    header: bytes,
    elements: Sequence[Element],
    encoding: Encoding,
    reader: Source,
    values: dict[int, bytes],
    transfer_syntax_uid: str,
    preview: bool = False,
) -> Pixels:
    """Blanks where the device writes text, if the profile asks for it and that is known.

    Known are the regions of the profile, and what lies outside of the regions that an ultrasound
    image declares itself.

    Reads the pixel data from the reader only where there is something to blank; otherwise it
    stays there, to be copied as a stream. A preview shows no pixels: of large images it decodes the
    first frame only, to tell whether they can be cleaned.
    """
    untouched = Pixels(transfer_syntax_uid)
    if Option.CLEAN_PIXEL_DATA not in profile.options or ROWS not in values:
        return untouched
    boxes = _boxes(profile, header, elements, values, encoding)
    if not boxes:
        if _is_of_other_size(profile, values):
            reason = "The device writes text into its images, and no region is of this size."
            return Pixels(transfer_syntax_uid, doubt=(PIXEL_DATA, reason))
        return untouched
    start = reader.read(4)
    reader.push_back(start)
    if not start:  # a header alone, as in a preview
        return Pixels(transfer_syntax_uid, cleaned=True)
    tag = int.from_bytes(start[:2], _order(encoding)) << 16
    tag |= int.from_bytes(start[2:], _order(encoding))
    if tag not in PIXEL_DATA_TAGS:
        return untouched
    pixels = read_pixel_data(reader, encoding)
    try:
        if pixels.encapsulated:
            layout = layout_of(read_header(header, encoding))
            check_size(layout, pixels.value)
            if preview and layout.size > LARGEST_SHOWN:
                check_first_frame(header, pixels.value, transfer_syntax_uid)
                element = pixels.header + pixels.value
                return Pixels(transfer_syntax_uid, cleaned=True, element=element)
            insertions, element = decode_and_blank(header, pixels.value, transfer_syntax_uid, boxes)
            return Pixels(
                DECODED_SYNTAX,
                cleaned=True,
                element=element,
                insertions=tuple(insertions),
                dropped=OFFSET_TABLES,
            )
        layout = layout_of(read_header(header, encoding))
        swapped = encoding.big_endian and layout.bits_allocated == 8 and pixels.vr == b"OW"
        blanked = blank(pixels.value, layout, boxes, swapped)
        return Pixels(transfer_syntax_uid, cleaned=True, element=pixels.header + blanked)
    except PixelsNotCleaned:
        reason = "It is known where text stands, but the pixel data cannot be cleaned."
        element = pixels.header + pixels.value
        return Pixels(transfer_syntax_uid, element=element, doubt=(PIXEL_DATA, reason))


def doubt_about(
    pixels: Pixels,
    header: bytes,
    elements: Sequence[Element],
    values: dict[int, bytes],
    transfer_syntax_uid: str,
    image: bool,
) -> Doubt | None:
    """Where the object may carry identity that no rule reaches and no pixel rule cleaned.

    `image`: something follows the header that may be pixel data, whatever the header says.
    """
    if pixels.doubt:
        return pixels.doubt
    overlay = _overlay_in_pixels(header, elements)
    if pixels.cleaned and not overlay:
        return None

    text = partial(_text, values)

    return suspicion(
        sop_class_uid=text(SOP_CLASS_UID),
        transfer_syntax_uid=transfer_syntax_uid,
        modality=text(MODALITY),
        image_type=text(IMAGE_TYPE),
        conversion_type=text(CONVERSION_TYPE),
        burned_in_annotation=text(BURNED_IN_ANNOTATION),
        overlay_in_pixels=overlay,
        image=image or ROWS in values,
    )


def _text(values: dict[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("ascii", "replace").strip(" \0")


def _is_of_other_size(profile: Profile, values: dict[int, bytes]) -> bool:
    return is_of_other_size(
        profile.device_regions,
        manufacturer=_text(values, MANUFACTURER),
        model=_text(values, MODEL),
        modality=_text(values, MODALITY),
    )


def _order(encoding: Encoding) -> Literal["big", "little"]:
    return "big" if encoding.big_endian else "little"


def _boxes(
    profile: Profile,
    header: bytes,
    elements: Sequence[Element],
    values: dict[int, bytes],
    encoding: Encoding,
) -> tuple[Box, ...]:
    text = partial(_text, values)
    rows = int.from_bytes(values.get(ROWS, b"")[:2], _order(encoding))
    columns = int.from_bytes(values.get(COLUMNS, b"")[:2], _order(encoding))
    boxes = regions_for(
        profile.device_regions,
        manufacturer=text(MANUFACTURER),
        model=text(MODEL),
        modality=text(MODALITY),
        rows=rows,
        columns=columns,
    )
    if may_declare_regions(text(SOP_CLASS_UID)):
        for element in elements:
            if element.tag == SEQUENCE_OF_ULTRASOUND_REGIONS:
                sequence = header[element.start : element.end]
                regions = declared_regions(sequence, encoding, rows, columns)
                if is_believable(regions, rows, columns):
                    return (*boxes, *boxes_outside(regions, rows, columns))
    return boxes


def _overlay_in_pixels(header: bytes, elements: Sequence[Element]) -> bool:
    """An overlay without data of its own lies in bits above those of the image (retired)."""
    positioned: set[int] = set()
    with_data: set[int] = set()
    for element in reversed(elements):
        if element.tag < 0x60000000:
            break
        number = element.tag & 0xFFFF
        if number == _OVERLAY_BIT_POSITION and any(header[element.value : element.end]):
            positioned.add(element.tag >> 16)
        elif number == _OVERLAY_DATA:
            with_data.add(element.tag >> 16)
    return bool(positioned - with_data)

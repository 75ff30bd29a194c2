"""Objects that may carry identity where no rule looks: in pixels, documents, videos, voices."""

from __future__ import annotations

import re
from enum import StrEnum


def is_video_syntax(transfer_syntax_uid: str) -> bool:
    """Whether pixels in this transfer syntax are a video (PS3.5 8.2.5 to 8.2.8, PS3.22)."""
    return _VIDEO_SYNTAX.fullmatch(transfer_syntax_uid) is not None


class BurnedInPolicy(StrEnum):
    """What happens to an object that may carry identity in its pixels or document.

    Meant are objects whose BurnedInAnnotation is YES, or whose modality, SOP class, kind of image
    or conversion is one that commonly carries burned-in text while the attribute is absent, and
    that no pixel rule cleaned; also encapsulated documents, videos and recordings of voices, which
    nothing can check.
    """

    HOLD = "hold"
    EXCLUDE = "exclude"
    ALLOW = "allow"


ENCAPSULATED_DOCUMENT = 0x00420011
BURNED_IN_ANNOTATION = 0x00280301
PIXEL_DATA = 0x7FE00010
_WAVEFORM_DATA = 0x54001010

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_DOCUMENTS = _STORAGE + "104."  # PDF, CDA, STL, OBJ, MTL
_VIDEOS = frozenset(_STORAGE + suffix for suffix in ("77.1.1.1", "77.1.2.1", "77.1.4.1"))
_VOICES = frozenset(_STORAGE + suffix for suffix in ("9.4.1", "9.4.2"))
_VIDEO_SYNTAX = re.compile(r"1\.2\.840\.10008\.1\.2\.(?:4\.10\d|7\.\d+)(?:\.1)?")
"""MPEG-2, MPEG-4 and HEVC, in one fragment or (`.1`) in several, and uncompressed streams of SMPTE
ST 2110 (PS3.5 A.4.5 to A.4.9, A.8)."""

_IMAGES_WITH_TEXT = "US IVUS XC ES OT SC GM SM OP DMS DG BI DOC HC"
_MODALITIES = frozenset(_IMAGES_WITH_TEXT.split())
"""Modalities of photographs, screens, scans and films, whose devices draw text into the image."""

_CLASSES_WITH_TEXT = """
3 3.1 6 6.1 6.2 7 7.1 7.2 7.3 7.4 77.1.1 77.1.2 77.1.3 77.1.4 77.1.5.1 77.1.5.2
"""
_FILMS = frozenset(f"1.2.840.10008.5.1.1.{number}" for number in (27, 29, 30))
"""Stored Print and Hardcopy Image Storage, retired: what was printed, with its text."""

_SCREENS = frozenset(_STORAGE + suffix for suffix in _CLASSES_WITH_TEXT.split()) | _FILMS
"""Ultrasound, secondary capture and visible light: images of screens and of what lies about."""


_OF_SCREENS = re.compile(
    r"SCREEN(?!ING)|SCR[ _]?SHOT|(?<![A-Z])CAPTURED?(?![A-Z])|REPORT|PROTOCOL"
    r"|(?<![A-Z])PROT(?![A-Z])|(?:PATIENT|EXAM|STUDY|DOSE)[ _]?INFO"
    r"|(?<![A-Z])DOSE[ _]?(?:SUMMARY|SHEET|RECORD|PAGE)|WORKSHEET|HARD[ _]?COPY"
    r"|(?:^|\\)(?:DOSE|SNAPSHOT|SUMMARY|FILM|PRINT|TEXT)(?:\\|$)"
)
"""Of ImageType, as makers name what their consoles save: `SCREEN SAVE`, `CT_SOM5 PROT`, `CSA
REPORT`, `DOSE_INFO`; not what sounds alike (`SCREENING`, `PROTON`, `LOW_DOSE`)."""

_OF_PICTURES = frozenset({"DV", "DF", "SD", "SI", "DRW"})
"""ConversionType (PS3.3 C.8.6.1) of videos, films, scans and drawings. What a program computed
(SYN), a workstation made (WSD) or came over a digital interface (DI) is an image like others:
tomograms and radiographs of gateways say so. Screens among them are of classes with text."""


def is_document(sop_class_uid: str) -> bool:
    """Whether objects of the class are encapsulated documents (PS3.3 A.45)."""
    return sop_class_uid.startswith(_DOCUMENTS)


def suspicion(
    *,
    sop_class_uid: str,
    transfer_syntax_uid: str,
    modality: str,
    image_type: str,
    conversion_type: str,
    burned_in_annotation: str,
    overlay_in_pixels: bool,
    image: bool,
) -> tuple[int, str] | None:
    """Where an object may carry identity that no rule reaches, and why in words.

    Args:
        sop_class_uid: SOP Class UID.
        transfer_syntax_uid: Tells a video.
        modality: Value of Modality.
        image_type: Values of ImageType (PS3.3 C.7.6.1.1.2), which tell a screen or a report.
        conversion_type: Value of ConversionType (PS3.3 C.8.6.1): what was digitised or captured.
        burned_in_annotation: Value of BurnedInAnnotation (PS3.3 C.7.6.1), empty if absent.
        overlay_in_pixels: An overlay lies in unused bits of the pixel data (PS3.5 8.1.2); the
            pixel data is not rewritten for it.
        image: The object has pixels.

    Returns:
        Tag of the attribute that is in doubt, and the reason; `None` if there is no doubt.
    """
    if is_document(sop_class_uid):
        return ENCAPSULATED_DOCUMENT, "An encapsulated document cannot be checked."
    if sop_class_uid in _VOICES:
        return _WAVEFORM_DATA, "A recording of a voice cannot be checked."
    if is_video_syntax(transfer_syntax_uid) or sop_class_uid in _VIDEOS:
        return PIXEL_DATA, "A video cannot be checked."
    if not image:
        return None
    if overlay_in_pixels:
        return PIXEL_DATA, "An overlay lies in unused bits of the pixels."
    stated = burned_in_annotation.strip(" \0").upper()
    if stated == "NO":
        return None
    if stated:
        return BURNED_IN_ANNOTATION, "The object says that text is burned into its pixels."
    kind = modality.strip(" \0").upper()
    if kind in _MODALITIES or sop_class_uid in _SCREENS:
        return PIXEL_DATA, "Images of this kind often carry burned-in text."
    types = "\\".join(value.strip(" \0") for value in image_type.upper().split("\\"))
    if conversion_type.strip(" \0").upper() in _OF_PICTURES or _OF_SCREENS.search(types):
        return PIXEL_DATA, "A screen, report or film often carries burned-in text."
    return None

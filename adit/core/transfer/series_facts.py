"""Reads from an instance that leaves what names its folder."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRBigEndian

from adit.core.dicom import has_implicit_vr, is_deflated
from adit.core.transfer.items import Outgoing
from adit.core.transfer.layout import SeriesFacts

_KEYWORDS = (
    "SpecificCharacterSet",
    "StudyDate",
    "StudyTime",
    "SeriesDescription",
    "SeriesNumber",
)
# All that is read stands in the first part of a header, whatever a deflated one may become.
_LONGEST_START = 16 * 1024 * 1024
_SHORTEST_ELEMENT = 8
_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in _KEYWORDS]


def facts_of(item: Outgoing) -> SeriesFacts:
    """The facts of the series of an instance, after de-identification."""
    header = _header(item)

    def texts(keyword: str) -> list[str]:
        value = header.get(keyword)
        values = value if isinstance(value, MultiValue) else [value]
        return [text for one in values if one is not None and (text := str(one).strip())]

    def first(keyword: str) -> str:
        return next(iter(texts(keyword)), "")

    return SeriesFacts(
        series_uid=item.series_uid,
        study_uid=item.study_uid,
        number=first("SeriesNumber"),
        # A backslash parts values (PS3.5 6.2), also where somebody meant it as text.
        description="\\".join(texts("SeriesDescription")),
        study_date=first("StudyDate"),
        study_time=first("StudyTime"),
    )


def _inflated_start(file: BinaryIO) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), _LONGEST_START)


def _header(item: Outgoing) -> Dataset:
    syntax = item.instance.transfer_syntax_uid
    with item.instance.open() as file:
        data = io.BytesIO(_inflated_start(file)) if is_deflated(syntax) else file
        implicit = has_implicit_vr(data.read(_SHORTEST_ELEMENT), syntax)
        data.seek(0)
        return read_dataset(
            data,
            implicit,
            syntax != ExplicitVRBigEndian,
            stop_when=lambda tag, vr, length: tag > _TAGS[-1],
            specific_tags=_TAGS,
        )

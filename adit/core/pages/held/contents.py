"""What a value holds in which something was found: its readable text and its bytes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

from adit.core.deid import PreviewRow, SourcePatient
from adit.core.deid.preview import SHOWN_LENGTH

_PIXEL_GROUP, _DOCUMENT = 0x7FE0, 0x00420011
_TEXT_VRS = "AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT"
_TEXT = frozenset(_TEXT_VRS.split(" "))
_READABLE = (
    # ASCII, UTF-8, and a letter of ISO 8859 among letters
    re.compile(
        rb"(?:[\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}"
        rb"|(?<=[A-Za-z])[\xc0-\xff](?=[A-Za-z])){4,}"
    ),
    re.compile(rb"(?:[\x20-\x7e\xa0-\xff]\0){4,}"),
    re.compile(rb"(?:\0[\x20-\x7e\xa0-\xff]){4,}"),
)
_CODECS = ("utf-8", "utf-16-le", "utf-16-be")
_NAMES_AND_IDS = """
PatientName PatientID PatientBirthDate PatientBirthName PatientMotherBirthName OtherPatientIDs
OtherPatientNames AccessionNumber
"""
_OF_THE_PATIENT = frozenset(_NAMES_AND_IDS.split())
_MOST_VALUES, _MOST_RUNS, _LONGEST_RUN = 20, 40, 400
_DUMPED, _ROW, _AHEAD = 256, 16, 64
_SHORTEST_WORD = 3


@dataclass(frozen=True)
class Run:
    """Readable text in a value.

    Attributes:
        offset: Of its first byte.
        is_patients: It holds a word of the patient (`words_of`).
    """

    offset: int
    text: str
    is_patients: bool


@dataclass(frozen=True)
class Content:
    """A value as staff may judge it.

    Attributes:
        place: Tag and name.
        size: In bytes.
        runs: Those with words of the patient first.
        more_runs: How many are not listed.
        dump: Bytes from `dumped_from` on, as hexadecimal and text.
    """

    place: str
    size: int
    runs: list[Run]
    more_runs: int
    dump: str
    dumped_from: int

    @property
    def has_words(self) -> bool:
        """Words of the patient stand in the runs that are listed."""
        return any(run.is_patients for run in self.runs)


def words_of(rows: Iterable[PreviewRow], patient: SourcePatient) -> tuple[str, ...]:
    """Names, ids and dates of the patient in small letters, to mark them where they stand: of the
    header before de-identification and of what the source tells."""
    texts = [patient.name, patient.birth_date, patient.accession_number, *patient.patient_ids]
    texts += [row.before for row in rows if row.keyword in _OF_THE_PATIENT]
    words = {word for text in texts for word in re.split(r"[\s^=\\]+", text.casefold())}
    return tuple(sorted(word for word in words if len(word) >= _SHORTEST_WORD))


def contents(dataset: Dataset, tags: Collection[int], words: Collection[str]) -> list[Content]:
    """The values of these attributes, at all levels, that a row of a preview does not show whole.
    Pixels and documents are shown elsewhere.

    Args:
        dataset: As read: what was looked at before is not raw any more, and left out.
    """
    values = islice(_values(dataset, frozenset(tags)), _MOST_VALUES)
    return [content_of(f"{tag} {keyword_for_tag(tag)}", value, words) for tag, value in values]


def _values(dataset: Dataset, tags: frozenset[int]) -> Iterator[tuple[BaseTag, bytes]]:
    for tag in list(dataset.keys()):
        if tag.group == _PIXEL_GROUP or tag == _DOCUMENT:
            continue
        item = dataset.get_item(tag)
        if isinstance(item, RawDataElement) and tag in tags and isinstance(item.value, bytes):
            if item.VR not in _TEXT:
                yield tag, item.value
            elif len(item.value) > SHOWN_LENGTH:
                yield tag, str(dataset[tag].value).encode()
        if (item.VR if isinstance(item, RawDataElement) else "SQ") in (None, "SQ", "UN"):
            element = dataset[tag]
            for part in element.value if element.VR == "SQ" else ():
                yield from _values(part, tags)


def content_of(place: str, value: bytes, words: Collection[str]) -> Content:
    """Readable runs and bytes of a value."""
    runs = [
        run
        for pattern, codec in zip(_READABLE, _CODECS, strict=True)
        for run in _runs(value, pattern, codec, words)
    ]
    runs.sort(key=lambda run: (not run.is_patients, run.offset))
    start = runs[0].offset if runs and runs[0].is_patients else 0
    start = max(0, start - _AHEAD) // _ROW * _ROW
    return Content(
        place,
        len(value),
        runs[:_MOST_RUNS],
        max(0, len(runs) - _MOST_RUNS),
        _dump(value, start),
        start,
    )


def _runs(
    value: bytes, pattern: re.Pattern[bytes], codec: str, words: Collection[str]
) -> Iterator[Run]:
    for match in pattern.finditer(value):
        try:
            text = match[0].decode(codec)
        except UnicodeDecodeError:
            text = match[0].decode("latin-1")
        folded = text.casefold()
        places = [at for word in words if (at := folded.find(word)) >= 0]
        if len(text) > _LONGEST_RUN:
            begin = max(0, min(places, default=0) - _LONGEST_RUN // 4)
            text = f"{text[begin : begin + _LONGEST_RUN]} …"
        yield Run(match.start(), text, bool(places))


def _dump(value: bytes, start: int) -> str:
    lines = []
    for at in range(start, min(len(value), start + _DUMPED), _ROW):
        row = value[at : at + _ROW]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{at:08x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines)

"""Which attributes of an object tell names, ids and addresses that the cleaner has to know.

They are learnt wherever they stand, in sequences too, by what the data dictionary or the object
itself says of them, and from raw bytes: a peer may write an id in a VR of bytes, with control
characters, or in UTF-16.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR, keyword_dict

from .charset import Charset, charset
from .codec import Element
from .escapes import unescaped
from .folding import words
from .lookalikes import unmixed

SPECIFIC_CHARACTER_SET = 0x00080005

NAMES = frozenset(tag for tag in keyword_dict.values() if dictionary_VR(tag) == "PN")
"""Names of persons, of every kind."""
IDENTIFIERS = frozenset(
    {
        0x00080050,  # AccessionNumber
        0x00080094,  # ReferringPhysicianTelephoneNumbers
        0x00100020,  # PatientID
        0x00100033,  # PatientBirthDateInAlternativeCalendar
        0x00100034,  # PatientDeathDateInAlternativeCalendar
        0x00101000,  # OtherPatientIDs
        0x00101050,  # InsurancePlanIdentification
        0x00101090,  # MedicalRecordLocator
        0x00102154,  # PatientTelephoneNumbers
        0x00102155,  # PatientTelecomInformation
        0x00120040,  # ClinicalTrialSubjectID
        0x00120042,  # ClinicalTrialSubjectReadingID
        0x00380010,  # AdmissionID
        0x00380060,  # ServiceEpisodeID
        0x00401103,  # PersonTelephoneNumbers
        0x00401104,  # PersonTelecomInformation
        0x00402006,  # PlacerOrderNumberImagingServiceRequestRetired
        0x00402007,  # FillerOrderNumberImagingServiceRequestRetired
        0x00402016,  # PlacerOrderNumberImagingServiceRequest
        0x00402017,  # FillerOrderNumberImagingServiceRequest
    }
)
"""Ids of the patient and the order, and phones."""
NUMBERS = frozenset(
    {
        0x00200010,  # StudyID
        0x00400009,  # ScheduledProcedureStepID
        0x00400253,  # PerformedProcedureStepID
        0x00401001,  # RequestedProcedureID
        0x00401006,  # PlacerOrderNumberProcedure
        0x00401007,  # FillerOrderNumberProcedure
        0x0040050A,  # SpecimenAccessionNumber
        0x00400512,  # ContainerIdentifier
        0x00400551,  # SpecimenIdentifier
        0x004006FA,  # SlideIdentifier
    }
)
"""Ids of orders, steps and specimens, often counted from one: only long ones mean something."""
ADDRESSES = frozenset(
    {
        0x00080092,  # ReferringPhysicianAddress
        0x00101040,  # PatientAddress
        0x00102152,  # RegionOfResidence
        0x00380400,  # PatientInstitutionResidence
        0x00401102,  # PersonAddress
    }
)
INSTITUTIONS = frozenset(
    {
        0x00080080,  # InstitutionName
        0x00080081,  # InstitutionAddress
        0x00081040,  # InstitutionalDepartmentName
    }
)
PLACES = frozenset(
    {
        0x00100021,  # IssuerOfPatientID
        0x00102299,  # ResponsibleOrganization
        0x00120031,  # ClinicalTrialSiteName
        0x00321033,  # RequestingService
        0x00380300,  # CurrentPatientLocation
    }
)
"""What tells an institution, although it is not what Retain Institution Identity retains."""
DEVICES = frozenset(
    {
        0x00081010,  # StationName
        0x00181000,  # DeviceSerialNumber
        0x00181008,  # GantryID
        0x00400010,  # ScheduledStationName
        0x00400242,  # PerformedStationName
    }
)
LEARNT = NAMES | IDENTIFIERS | NUMBERS | ADDRESSES | INSTITUTIONS | PLACES | DEVICES
_CODE_MEANING = 0x00080104
_MEANT_BY_CODES = {
    0x00080082: 0x00080080,  # InstitutionCodeSequence: InstitutionName
    0x00401101: 0x0040A123,  # PersonIdentificationCodeSequence: PersonName
}
"""Sequences whose code meanings count as another attribute does."""
_PHONES = frozenset({0x00080094, 0x00102154, 0x00102155, 0x00401103, 0x00401104})
_SHORTEST_LOCAL_NUMBER = 6
_WITHOUT_PERSONS = frozenset(
    {
        0x30060039,  # ROIContourSequence
        0x52009229,  # SharedFunctionalGroupsSequence
        0x52009230,  # PerFrameFunctionalGroupsSequence
    }
)
"""Large sequences of numbers, walked only if the tag of something to be learnt stands in them."""


class Learnt(NamedTuple):
    """A raw value of an item, with the character set that the item declares (empty: none)."""

    tag: int
    raw: bytes
    declared: bytes


def learnt_inside(buffer: bytes, elements: Sequence[Element]) -> tuple[Learnt, ...]:
    """Values that identify, from all sequences of a data set."""
    pending = [
        (element, b"")
        for element in elements
        if element.items is not None
        and (element.tag not in _WITHOUT_PERSONS or _may_tell(buffer, element))
    ]
    found: list[Learnt] = []
    while pending:
        element, outer = pending.pop()
        assert element.items is not None
        for item in element.items.items:
            declared = outer
            for tag, vr, _, value, end, items in item.elements:
                if items is not None:
                    inner = Element(tag, vr, 0, value, end, items)
                    if tag not in _WITHOUT_PERSONS or _may_tell(buffer, inner):
                        pending.append((inner, declared))
                elif tag in LEARNT or vr == b"PN":
                    if value < end:
                        found.append(Learnt(tag, buffer[value:end], declared))
                elif tag == _CODE_MEANING and element.tag in _MEANT_BY_CODES and value < end:
                    found.append(Learnt(_MEANT_BY_CODES[element.tag], buffer[value:end], declared))
                elif tag == SPECIFIC_CHARACTER_SET:
                    declared = buffer[value:end].strip(b" \0")
    return tuple(found)


@cache
def _tags_to_learn(big_endian: bool) -> tuple[re.Pattern[bytes], ...]:
    """Patterns over the bytes of tags, one a group, each with a literal prefix, which is fast."""
    order = ">" if big_endian else "<"
    numbers: dict[int, list[bytes]] = {}
    for tag in sorted(LEARNT | _MEANT_BY_CODES.keys()):
        numbers.setdefault(tag >> 16, []).append(struct.pack(order + "H", tag & 0xFFFF))
    return tuple(
        re.compile(
            re.escape(struct.pack(order + "H", group))
            + b"(?:%s)" % b"|".join(map(re.escape, found)),
            re.DOTALL,
        )
        for group, found in numbers.items()
    )


def _may_tell(buffer: bytes, sequence: Element) -> bool:
    """Whether the bytes of a tag to be learnt, or of a VR of persons, stand in a sequence."""
    assert sequence.items is not None
    start, end = sequence.value, sequence.end
    if not sequence.items.encoding.implicit and buffer.find(b"PN", start, end) >= 0:
        return True
    patterns = _tags_to_learn(sequence.items.encoding.big_endian)
    return any(pattern.search(buffer, start, end) for pattern in patterns)


@dataclass
class Identity:
    """What an object tells about persons and institutions, as texts."""

    names: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    institutions: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)

    def count(self) -> int:
        """How many different words the texts have."""
        texts = {*self.names, *self.identifiers, *self.numbers, *self.addresses}
        return len(
            set().union(*map(words, texts | {*self.institutions, *self.places, *self.devices}))
        )

    def learn_texts(self, names: Iterable[str], identifiers: Iterable[str]) -> None:
        """Adds what is known as text."""
        self.names += filter(None, names)
        for text in filter(None, identifiers):
            self.identifiers += _ids(text)

    def learn(self, values: Iterable[tuple[int, bytes]], by: Charset) -> None:
        """Adds raw values of the top level."""
        for tag, raw in values:
            if tag in LEARNT and raw:
                self._add(tag, raw, by)

    def learn_inside(self, values: Iterable[Learnt], by: Charset) -> None:
        """Adds raw values of items."""
        for tag, raw, declared in values:
            self._add(tag, raw, charset(declared) if declared else by)

    def _add(self, tag: int, raw: bytes, by: Charset) -> None:
        for text in readings(raw, by):
            if tag in ADDRESSES:
                self.addresses.append(text)
            elif tag in INSTITUTIONS:
                self.institutions.append(text)
            elif tag in IDENTIFIERS:
                self.identifiers += _ids(text)
                if tag in _PHONES:
                    self.identifiers += _local_numbers(text)
            elif tag in NUMBERS:
                self.numbers += [
                    part for value in text.split("\\") for part in (value, *value.split())
                ]
            elif tag in PLACES:
                self.places.append(text)
            elif tag in DEVICES:
                self.devices.append(text)
            else:
                self.names.append(text)


def _local_numbers(text: str) -> list[str]:
    """Phone numbers without what stands before the last separator, or before the first one."""
    found = []
    for value in re.split(r"[\\\\;,]", text):
        groups = re.findall(r"\d+", value)
        for number in (groups[-1:], groups[1:], groups[2:] if "+" in value else []):
            if len(groups) > 1 and len("".join(number)) >= _SHORTEST_LOCAL_NUMBER:
                found.append("".join(number))
    return found


def _ids(text: str) -> list[str]:
    found = []
    for value in text.split("\\"):
        scheme, colon, rest = value.partition(":")
        known = colon and scheme.strip().lower() in ("tel", "mailto", "fax", "sms", "https", "http")
        value = rest if known else value
        found.append(value)
        digits = "".join(filter(str.isdigit, value))
        if value.strip().startswith(("+", "00")) and len(digits) > 9:
            found.append(digits[-8:])  # a phone without the country's code
        mailbox, at, _ = value.partition("@")
        if at and len(mailbox) > 5:
            found.append(mailbox)
    return found


def readings(raw: bytes, by: Charset) -> list[str]:
    """Texts that bytes may mean: in the declared set, UTF-16 or UTF-8, and without escapes."""
    text = by.decode(raw).strip(" \0")
    found = [text] if text else []
    inner = raw.strip(b" \0")
    if b"\0" in inner:
        for encoding in ("utf-16-le", "utf-16-be"):
            body = raw[2:] if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else raw
            found.append(body[: len(body) & ~1].decode(encoding, "ignore").strip(" \0"))
    elif not raw.isascii():
        try:
            found.append(inner.decode("utf-8"))
        except UnicodeDecodeError:
            found.append(inner.decode("latin-1"))
    found += [plain for text in found for plain, _ in unescaped(text)]
    found += [plain for text in found for plain in unmixed(text)]
    return list(dict.fromkeys(found))

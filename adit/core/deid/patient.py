"""What is known about the patient and study of an object, worked out once for all its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from .charset import Charset, charset
from .cleaning import Cleaner, name_words
from .codec import Element
from .dates import (
    AGE_OF_THE_OLDEST,
    OLDEST_TOLD_AGE,
    age_between,
    age_in_agreement,
    parse_date,
    years_of,
)
from .invented import InventedNames
from .mapping import KeyedMapping
from .profile import Assignment, Option, Profile

SPECIFIC_CHARACTER_SET = 0x00080005
STUDY_DATE, STUDY_TIME = 0x00080020, 0x00080030
PATIENT_NAME, PATIENT_ID, PATIENT_BIRTH_DATE = 0x00100010, 0x00100020, 0x00100030
PATIENT_AGE, STUDY_INSTANCE_UID = 0x00101010, 0x0020000D

_NAMES = (
    0x00080090,  # ReferringPhysicianName
    0x0008009C,  # ConsultingPhysicianName
    0x00081048,  # PhysiciansOfRecord
    0x00081050,  # PerformingPhysicianName
    0x00081060,  # NameOfPhysiciansReadingStudy
    0x00081070,  # OperatorsName
    PATIENT_NAME,
    0x00101001,  # OtherPatientNames
    0x00101005,  # PatientBirthName
    0x00101060,  # PatientMotherBirthName
    0x00102297,  # ResponsiblePerson
    0x00321032,  # RequestingPhysician
)
_IDENTIFIERS = (
    0x00080050,  # AccessionNumber
    PATIENT_ID,
    0x00101000,  # OtherPatientIDs
    0x00101040,  # PatientAddress
    0x00101090,  # MedicalRecordLocator
    0x00101050,  # InsurancePlanIdentification
    0x00102154,  # PatientTelephoneNumbers
    0x00380010,  # AdmissionID
    0x00380060,  # ServiceEpisodeID
    0x00402016,  # PlacerOrderNumberImagingServiceRequest
    0x00402017,  # FillerOrderNumberImagingServiceRequest
)
_DATES_OF_THE_STUDY = (
    STUDY_DATE,
    0x00080021,  # SeriesDate
    0x00080022,  # AcquisitionDate
    0x00080023,  # ContentDate
)
WITH_IDENTIFIERS_INSIDE = (
    0x00101002,  # OtherPatientIDsSequence
    0x04000561,  # OriginalAttributesSequence
)
"""Sequences that tell more names and ids of the patient."""
IDENTIFYING_TAGS = (
    SPECIFIC_CHARACTER_SET,
    *_NAMES,
    *_IDENTIFIERS,
    PATIENT_BIRTH_DATE,
    PATIENT_AGE,
    *_DATES_OF_THE_STUDY,
    STUDY_TIME,
    *WITH_IDENTIFIERS_INSIDE,
)
"""Top-level elements that make up a `PatientContext`; equal values may share one."""


@dataclass(slots=True)
class PatientContext:
    """Replacements for the objects of one patient and study."""

    profile: Profile
    assignment: Assignment
    mapping: KeyedMapping
    source_charset: Charset
    charset: Charset  # of what is written; differs from the source's if that lacks characters
    offset: timedelta
    cleaner: Cleaner
    invented: InventedNames
    age: str  # PatientAge in agreement with the shifted dates, empty if it stays
    over_89: bool  # on the day of the study
    memo: dict[bytes, dict[tuple[object, bytes, bytes], bytes]] = field(default_factory=dict)
    insertions: dict[tuple[object, ...], tuple[tuple[int, bytes], ...]] = field(
        default_factory=dict
    )

    @property
    def transcoded(self) -> bool:
        """Whether all text is written in UTF-8, since the declared set lacks characters."""
        return self.charset is not self.source_charset


def patient_context(
    profile: Profile,
    assignment: Assignment,
    mapping: KeyedMapping,
    values: dict[int, bytes],
    inside: Sequence[tuple[int, bytes]] = (),
) -> PatientContext:
    """Works out the context from the raw values of `IDENTIFYING_TAGS` and StudyInstanceUID.

    `inside` are values of `identifiers_inside`, which the cleaner has to know too.
    """
    source_charset = charset(values.get(SPECIFIC_CHARACTER_SET, b"").strip(b" \0"))

    def text(tag: int) -> str:
        return source_charset.decode(values.get(tag, b"")).strip(" \0")

    names = [text(tag) for tag in _NAMES]
    identifiers = [part for tag in _IDENTIFIERS for part in text(tag).split("\\")]
    for tag, raw in inside:
        found = source_charset.decode(raw).strip(" \0")
        if tag in _NAMES:
            names.append(found)
        elif tag in _IDENTIFIERS:
            identifiers += found.split("\\")
    birth = parse_date(text(PATIENT_BIRTH_DATE))
    patient_key = text(PATIENT_ID)
    if not patient_key:  # without an id the name and birth date, without these the study
        patient_key = "\0".join(("", text(PATIENT_NAME), text(PATIENT_BIRTH_DATE))).rstrip("\0")
        patient_key = patient_key or "\0\0" + text(STUDY_INSTANCE_UID)
    offset = timedelta()
    age = ""
    if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options:
        offset = mapping.date_offset(patient_key, profile.whole_weeks)
        day = parse_date(text(STUDY_DATE))
        if birth and day:
            age = age_in_agreement(text(PATIENT_AGE), birth, day, offset)
    days = [day for tag in _DATES_OF_THE_STUDY if (day := parse_date(text(tag)))]
    ages = [age_between(birth, day, "Y") for day in days] if birth else []
    years = max([years_of(text(PATIENT_AGE)), *(years for years in ages if years is not None)])
    over_89 = years > OLDEST_TOLD_AGE
    if over_89:
        age = AGE_OF_THE_OLDEST
    written = assignment.pseudonym + assignment.trial_protocol_id + assignment.trial_protocol_name
    target_charset = source_charset
    if not source_charset.can_encode(written):
        target_charset = charset(b"ISO_IR 192")
    return PatientContext(
        profile=profile,
        assignment=assignment,
        mapping=mapping,
        source_charset=source_charset,
        charset=target_charset,
        offset=offset,
        cleaner=Cleaner(names=names, identifiers=identifiers, birth_date=birth),
        invented=InventedNames(
            mapping.digest("names", patient_key).hex(), set().union(*map(name_words, names))
        ),
        age=age,
        over_89=over_89,
    )


def identifiers_inside(buffer: bytes, elements: Sequence[Element]) -> list[tuple[int, bytes]]:
    """Tags and raw values of leaves in the sequences that hold more identifiers of the patient."""
    pending = [element for element in elements if element.tag in WITH_IDENTIFIERS_INSIDE]
    found = []
    while pending:
        element = pending.pop()
        if element.items is None:
            found.append((element.tag, buffer[element.value : element.end]))
        else:
            pending += [inner for item in element.items.items for inner in item.elements]
    return found

"""What is known about the patient and study of an object, worked out once for all its objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from .charset import Charset, charset
from .cleaning import Cleaner, name_words
from .dates import age_in_agreement, parse_date
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
    0x00102154,  # PatientTelephoneNumbers
    0x00380010,  # AdmissionID
)
IDENTIFYING_TAGS = (
    SPECIFIC_CHARACTER_SET,
    *_NAMES,
    *_IDENTIFIERS,
    PATIENT_BIRTH_DATE,
    PATIENT_AGE,
    STUDY_DATE,
    STUDY_TIME,
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
) -> PatientContext:
    """Works out the context from the raw values of `IDENTIFYING_TAGS` and StudyInstanceUID."""
    source_charset = charset(values.get(SPECIFIC_CHARACTER_SET, b"").strip(b" \0"))

    def text(tag: int) -> str:
        return source_charset.decode(values.get(tag, b"")).strip(" \0")

    names = [text(tag) for tag in _NAMES]
    identifiers = [part for tag in _IDENTIFIERS for part in text(tag).split("\\")]
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
    )

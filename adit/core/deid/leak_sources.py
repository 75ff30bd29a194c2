"""Where the leak gate finds the identifiers of a patient: attributes of the source's header.

Those of the patient's own groups are found by the bytes of their tags, at any level and also inside
of values, whatever VR they have; the others as elements of any level.
The list was written down from PS3.15 and PS3.6 by hand and shares nothing with the engine.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import cache

from .leak_walk import LeafWalk, Unreadable
from .profile import SourcePatient
from .report import FindingKind

SOURCES: dict[int, FindingKind] = {
    0x00100010: FindingKind.PATIENT_NAME,
    0x00101001: FindingKind.PATIENT_NAME,  # OtherPatientNames
    0x00101005: FindingKind.PATIENT_NAME,  # PatientBirthName
    0x00101060: FindingKind.PATIENT_NAME,  # PatientMotherBirthName
    0x00102297: FindingKind.PATIENT_NAME,  # ResponsiblePerson
    0x00100020: FindingKind.PATIENT_ID,
    0x00101000: FindingKind.PATIENT_ID,  # OtherPatientIDs
    0x00101050: FindingKind.PATIENT_ID,  # InsurancePlanIdentification
    0x00101090: FindingKind.PATIENT_ID,  # MedicalRecordLocator
    0x00120040: FindingKind.PATIENT_ID,  # ClinicalTrialSubjectID
    0x00120042: FindingKind.PATIENT_ID,  # ClinicalTrialSubjectReadingID
    0x00380010: FindingKind.PATIENT_ID,  # AdmissionID
    0x00380060: FindingKind.PATIENT_ID,  # ServiceEpisodeID
    0x00100030: FindingKind.BIRTH_DATE,
    0x00100033: FindingKind.BIRTH_DATE,  # PatientBirthDateInAlternativeCalendar
    0x00100034: FindingKind.BIRTH_DATE,  # PatientDeathDateInAlternativeCalendar
    0x00080050: FindingKind.ACCESSION_NUMBER,
    0x00402016: FindingKind.ACCESSION_NUMBER,  # PlacerOrderNumberImagingServiceRequest
    0x00402017: FindingKind.ACCESSION_NUMBER,  # FillerOrderNumberImagingServiceRequest
    0x00101040: FindingKind.ADDRESS,
    0x00102154: FindingKind.PHONE,
    0x00102155: FindingKind.PHONE,  # PatientTelecomInformation
}

ORDERS = frozenset(
    {
        0x00200010,  # StudyID
        0x00400009,  # ScheduledProcedureStepID
        0x00400253,  # PerformedProcedureStepID
        0x0040050A,  # SpecimenAccessionNumber
        0x00400512,  # ContainerIdentifier
        0x00400551,  # SpecimenIdentifier
        0x004006FA,  # SlideIdentifier
        0x00401001,  # RequestedProcedureID
        0x00401006,  # PlacerOrderNumberProcedure
        0x00401007,  # FillerOrderNumberProcedure
        0x00402006,  # PlacerOrderNumberImagingServiceRequestRetired
        0x00402007,  # FillerOrderNumberImagingServiceRequestRetired
        0x40080040,  # ResultsID
        0x40080200,  # InterpretationID
    }
)
"""Numbers of orders, steps and specimens: many are small or words, so only telling ones count."""

PERSONS = frozenset(
    {
        0x00080090,  # ReferringPhysicianName
        0x0008009C,  # ConsultingPhysicianName
        0x00081048,  # PhysiciansOfRecord
        0x00081050,  # PerformingPhysicianName
        0x00081060,  # NameOfPhysiciansReadingStudy
        0x00081070,  # OperatorsName
        0x00321032,  # RequestingPhysician
        0x00400006,  # ScheduledPerformingPhysicianName
        0x00401010,  # NamesOfIntendedRecipientsOfResults
        0x00402008,  # OrderEnteredBy
        0x00404037,  # HumanPerformerName
        0x0040A075,  # VerifyingObserverName
        0x0040A123,  # PersonName
        0x0040A307,  # CurrentObserverTrial
        0x0040A352,  # VerbalSourceTrial
        0x00700084,  # ContentCreatorName
        0x300600A6,  # ROIInterpreter
        0x300E0008,  # ReviewerName
        0x40080102,  # InterpretationRecorder
        0x4008010A,  # InterpretationTranscriber
        0x4008010C,  # InterpretationAuthor
        0x40080114,  # PhysicianApprovingInterpretation
        0x40080119,  # DistributionName
    }
)
"""Names of other persons (VR PN, actions X, Z and D of PS3.15 Table E.1-1)."""

PERSONS_BY_CODE = 0x00401101
"""PersonIdentificationCodeSequence: meanings of its codes are names of persons."""

DATES_OF_STUDY = frozenset(
    {
        0x00080020,  # StudyDate
        0x00080021,  # SeriesDate
        0x00080022,  # AcquisitionDate
        0x00080023,  # ContentDate
        0x0008002A,  # AcquisitionDateTime
    }
)
PATIENT_AGE = 0x00101010
CHARACTER_SET = 0x00080005
_SEARCHED_GROUPS = (0x0008, 0x0010, 0x0038)
_WALKED = frozenset(tag for tag in SOURCES if tag >> 16 not in _SEARCHED_GROUPS) | ORDERS | PERSONS
_BY_FORM = {
    **dict.fromkeys(DATES_OF_STUDY, re.compile(rb"(?:19|20)\d\d([.-]?)(?:0\d|1[0-2])\1[0-3]\d")),
    PATIENT_AGE: re.compile(rb"\d{3}[DWMY]"),
}
"""What of these values counts: times of day differ from object to object."""
_WALK = LeafWalk(lambda tag, vr, length: tag in _WALKED and 0 < length <= _LONGEST_VALUE)
_LONGEST_VALUE = 1024
_SHORT_VR = re.compile(rb"A[EST]|CS|D[AST]|F[DL]|IS|L[OT]|PN|S[HLST]|TM|U[ILS]")
_LONG_VR = re.compile(rb"O[BDFLVW]|SV|U[CNRTV]")
_CONTROL = bytes((*range(1, 9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F))

RawIdentifiers = tuple[tuple[int, bytes], ...]


@cache
def _tags_of(big_endian: bool) -> tuple[re.Pattern[bytes], ...]:
    """Patterns over the bytes of the sources' tags, one a group, each with a literal prefix."""
    order = ">" if big_endian else "<"
    numbers: dict[int, list[int]] = {}
    for tag in sorted((*SOURCES, *_BY_FORM, CHARACTER_SET)):
        if tag not in _WALKED:
            numbers.setdefault(tag >> 16, []).append(tag & 0xFFFF)
    return tuple(
        re.compile(
            re.escape(struct.pack(order + "H", group))
            + b"(?:"
            + b"|".join(re.escape(struct.pack(order + "H", number)) for number in found)
            + b")",
            re.DOTALL,
        )
        for group, found in numbers.items()
    )


def raw_identifiers(header: bytes, implicit: bool, big_endian: bool) -> RawIdentifiers:
    """Tags and raw values of identifiers in an encoded header, at all levels."""
    order = ">" if big_endian else "<"
    found: dict[tuple[int, bytes], None] = {}
    for pattern in _tags_of(big_endian):
        for match in pattern.finditer(header):
            value = _value_at(header, match.start(), order, implicit)
            if value:
                group, number = struct.unpack(order + "HH", match[0])
                tag = group << 16 | number
                if tag in _BY_FORM:
                    formed = _BY_FORM[tag].match(value)
                    value = formed[0] if formed else b""
                if value:
                    found[tag, value] = None
    try:
        leaves = _WALK.leaves(header, implicit, big_endian, clean=None)
    except Unreadable:
        leaves = []
    for tag, _, _, start, end in leaves:
        if value := _without_padding(header[start:end]):
            found[tag, value] = None
    for value in _names_by_code(header, order, implicit):
        found[PERSONS_BY_CODE, value] = None
    return tuple(found)


def _names_by_code(header: bytes, order: str, implicit: bool) -> Iterator[bytes]:
    """Meanings of the codes that say who somebody is."""
    begin = struct.pack(order + "HH", PERSONS_BY_CODE >> 16, PERSONS_BY_CODE & 0xFFFF)
    end_of_sequence = struct.pack(order + "HH", 0xFFFE, 0xE0DD)
    meaning = struct.pack(order + "HH", 0x0008, 0x0104)
    at = header.find(begin)
    while at >= 0:
        start = at + (8 if header[at + 4 : at + 6] != b"SQ" else 12)
        length = int.from_bytes(header[start - 4 : start], "little" if order == "<" else "big")
        end = start + length
        if length == 0xFFFFFFFF:
            end = header.find(end_of_sequence, start)
        if start <= end <= len(header):
            place = header.find(meaning, start, end)
            while place >= 0:
                if value := _value_at(header, place, order, implicit):
                    yield value
                place = header.find(meaning, place + 1, end)
        at = header.find(begin, at + 1)


def raw_of_patient(patient: SourcePatient) -> RawIdentifiers:
    """What the source tells of the patient, as if a header told it (in UTF-8)."""
    values = [(0x00100010, patient.name), (0x00100030, patient.birth_date)]
    values += [(0x00100020, patient_id) for patient_id in patient.patient_ids]
    values.append((0x00080050, patient.accession_number))
    return tuple((tag, value.encode()) for tag, value in values if value.strip())


def _value_at(header: bytes, position: int, order: str, implicit: bool) -> bytes:
    """Value of the element that seems to begin at a position; empty if there is none.

    Control characters belong to a value of a declared VR, unless they make up a quarter of it;
    otherwise they tell that the bytes of a tag stand here by chance.
    """
    vr = header[position + 4 : position + 6]
    declared = True
    try:
        if _SHORT_VR.fullmatch(vr):
            start = position + 8
            (length,) = struct.unpack_from(order + "H", header, position + 6)
        elif _LONG_VR.fullmatch(vr):
            start = position + 12
            (length,) = struct.unpack_from(order + "L", header, position + 8)
        else:
            declared = implicit
            start = position + 8
            (length,) = struct.unpack_from(order + "L", header, position + 4)
    except struct.error:
        return b""
    if not 0 < length <= _LONGEST_VALUE or start + length > len(header):
        return b""
    value = _without_padding(header[start : start + length])
    controls = len(value) - len(value.translate(None, _CONTROL))
    if controls and (not declared or controls * 4 > len(value)):
        return b""
    return value if declared or b"\0" not in value else b""


def _without_padding(value: bytes) -> bytes:
    value = value.strip(b" ").rstrip(b"\0")
    if value.startswith(b"\0") and value[2:3] != b"\0":  # else big endian UTF-16
        value = value.lstrip(b"\0")
    return value

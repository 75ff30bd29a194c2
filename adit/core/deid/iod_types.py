"""Which of the codes of a compound action keeps an object valid (PS3.15 E.3, PS3.3 Annex A).

The table leaves a choice where an attribute is Type 1 in one IOD and Type 2 or 3 in another:
Type 1 needs a dummy, Type 2 at least zero length, Type 3 may go. The codes are resolved for the
few attributes that have a compound action; where the IOD is not known, the code that is valid in
all IODs is taken.
"""

from __future__ import annotations

from enum import StrEnum

from pydicom.datadict import keyword_dict

from .table import BasicAction


class PlainAction(StrEnum):
    """A resolved action."""

    REMOVE = "X"
    ZERO = "Z"
    DUMMY = "D"
    UID = "U"
    RECURSE = "U*"


_STORAGE = "1.2.840.10008.5.1.4.1.1."

PET_IMAGE = _STORAGE + "128"

_CLASSIC = """
1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 3 3.1 4 5 6 6.1 7 7.1 7.2 7.3 7.4 12.1 12.2 20 128 481.1 481.2
77.1.1 77.1.2 77.1.3 77.1.4
"""
CLASSIC_IMAGES = frozenset(_STORAGE + suffix for suffix in _CLASSIC.split())
"""Single-frame and early multi-frame images: ContentDate is Type 2C, AcquisitionDateTime and
DeviceSerialNumber Type 3, where the enhanced IODs have Type 1 or 1C."""

_PREFIX_OF_RADIOTHERAPY = _STORAGE + "481."
_PREFIXES_OF_DOCUMENTS = (_STORAGE + "88.", _STORAGE + "11.")  # SR and presentation states


def _tags(keywords: str) -> frozenset[int]:
    return frozenset(keyword_dict[keyword] for keyword in keywords.split())


_TYPE_3 = _tags(
    """
    InstanceCreationDate InstanceCreationTime OperatorIdentificationSequence ProtocolName
    AcquisitionDeviceProcessingDescription DetectorID DateOfLastDetectorCalibration
    TimeOfLastDetectorCalibration IntendedPhaseStartDate IntendedPhaseEndDate InstitutionName
    InstitutionCodeSequence StationName ReferencedStudySequence
    """
)  # Type 3 wherever they stand, or Type 1 only in normalised services

_TYPE_1_IN_PET = _tags("SeriesDate SeriesTime")  # PS3.3 C.8.9.1
_TYPE_2_IN_DOCUMENTS = _tags("ReferencedPerformedProcedureStepSequence")  # PS3.3 C.17.1
_TYPE_2_IN_RADIOTHERAPY = _tags("OperatorsName")  # PS3.3 C.8.8.1
_TYPE_1_BUT_CLASSIC = _tags("AcquisitionDateTime DeviceSerialNumber")
_TYPE_2C_IN_CLASSIC = _tags("ContentDate ContentTime")
_TYPE_2 = _tags("ContrastBolusAgent ContentCreatorName")

_PRESENTATION_STATES = (_STORAGE + "11.", _STORAGE + "9.100.")
_REPORTS = _STORAGE + "88."  # key object selections among them
_OF_PRESENTATION_STATES = _tags("PresentationCreationDate PresentationCreationTime")
_OF_REQUESTS = _tags("RequestedProcedureID ReferencedStudySequence")


def required_where(tag: int, sop_class_uid: str) -> PlainAction | None:
    """What stands in place of removal in objects that would not be valid without the attribute.

    PresentationCreationDate and -Time are Type 1 in presentation states (PS3.3 C.11.10), the
    attributes of ReferencedRequestSequence Type 2 in reports (PS3.3 C.17.2, C.17.6.2). The row of
    the table does not provide for it; a constant or nothing tells as little as no attribute.
    """
    if tag in _OF_PRESENTATION_STATES and sop_class_uid.startswith(_PRESENTATION_STATES):
        return PlainAction.DUMMY
    if tag in _OF_REQUESTS and sop_class_uid.startswith(_REPORTS):
        return PlainAction.ZERO
    return None


REQUIRED_SOMEWHERE = _OF_PRESENTATION_STATES | _OF_REQUESTS


def resolve(action: BasicAction, tag: int, sop_class_uid: str) -> PlainAction:
    """The strictest code of the action that the object's IOD allows, as far as it is known."""
    if required := required_where(tag, sop_class_uid):
        return required
    match action:
        case BasicAction.REMOVE | BasicAction.ZERO | BasicAction.DUMMY | BasicAction.UID:
            return PlainAction(action.value)
        case BasicAction.REMOVE_ZERO_OR_UID:
            return PlainAction.RECURSE  # references between objects still hold
    if tag in _TYPE_3:
        return PlainAction.REMOVE
    if tag in _TYPE_1_IN_PET:
        return PlainAction.DUMMY if sop_class_uid == PET_IMAGE else PlainAction.REMOVE
    if tag in _TYPE_2_IN_DOCUMENTS:
        document = sop_class_uid.startswith(_PREFIXES_OF_DOCUMENTS)
        return PlainAction.ZERO if document else PlainAction.REMOVE
    if tag in _TYPE_2_IN_RADIOTHERAPY:
        radiotherapy = sop_class_uid.startswith(_PREFIX_OF_RADIOTHERAPY)
        return PlainAction.ZERO if radiotherapy else PlainAction.REMOVE
    if tag in _TYPE_1_BUT_CLASSIC:
        return PlainAction.REMOVE if sop_class_uid in CLASSIC_IMAGES else PlainAction.DUMMY
    if tag in _TYPE_2C_IN_CLASSIC:
        return PlainAction.ZERO if sop_class_uid in CLASSIC_IMAGES else PlainAction.DUMMY
    if tag in _TYPE_2 or action is BasicAction.REMOVE_OR_ZERO:
        return PlainAction.ZERO
    return PlainAction.DUMMY

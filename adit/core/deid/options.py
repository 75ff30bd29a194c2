"""What the options of PS3.15 E.3 change in Table E.1-1, as rules over VR, row and name.

Attributes are named in patterns over their keywords, so that attributes which the table gains
fall under the option that fits. Where several options touch an attribute, cleaning wins over
keeping: it keeps all that is no identifier of the patient.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from pydicom.datadict import keyword_for_tag

from .codec import vr_of_tag
from .profile import Option, Profile
from .table import BasicAction, basic_action


class OptionAction(StrEnum):
    """Action codes of the option columns."""

    KEEP = "K"
    CLEAN = "C"


# Short texts are descriptors, chosen from lists for the most part, and are kept once the patient's
# identifiers are out of them. What somebody wrote freely (LT, ST, UC, UT) may tell of anyone and
# cannot be checked by rules: it is cleaned by falling to the Basic Profile, which removes it.
_SHORT_TEXT = frozenset({b"LO", b"SH"})
_CURVES_AND_OVERLAYS = (0x50, 0x60)
_TEMPORAL = frozenset({b"DA", b"DT", b"TM"})

_DESCRIPTOR = re.compile(
    r"(Description|Comments?|Notes|Label|Narrative|History|Impressions|Text|Alerts|Allergies"
    r"|Superseding|Occupation|PatientState|ProtocolName|TreatmentSites?|TemplateName"
    r"|(StructureSet|ROI|RTPlan|Entity)Name|BolusAgent|ContrastAgent)$|^ReasonFor|^CommentsOn"
    r"|^Selector(LO|LT|SH|ST|UT)Value$"
)
_NO_DESCRIPTOR = re.compile(
    r"^ClinicalTrialProtocolName|^(XRayDetector|Device)(Label|Description)$|^TextComments"
    r"|^ModifiedImage|^ImagePresentation|^ConfidentialityConstraint"
)
_DESCRIPTOR_OF_OTHER_VR = re.compile(
    r"^(MakerNote|DeviceSettingDescription|AdmittingDiagnosesCodeSequence|PrescriptionNotesSequence"
    r"|RequestAttributesSequence|ReasonFor.*CodeSequence|ReasonForTheAttributeModification)$"
)

_DEVICE = re.compile(
    r"Calibration|^Lens|^DateOf(Manufacture|Installation)|^(UDI|TransducerIdentification)Sequence"
    r"|^(Performed|Scheduled)?StationName|^(Performed|Scheduled)Station.*CodeSequence$"
    r"|^Scheduled(Study|ProcedureStep)Location$|^(Plate|Generator|Cassette|Gantry|Detector)ID$"
    r"|^XRay(Source|Detector)(ID|Label)$|^(Device|Source)SerialNumber$|^DeviceUID$"
    r"|^(UniqueDevice|ManufacturerDevice)Identifier$|^ManufacturerDeviceClassUID$"
    r"|^Device(Description|Label)$|^Modifying(DeviceID|System)$|^TreatmentMachineName$"
    r"|^SourceManufacturer$|^BeamHoldTransitionDateTime$"
)
_INSTITUTION = re.compile(
    r"^Institution(Name|Address|CodeSequence|al)|^ClinicalTrial(Site|CoordinatingCenter)"
    r"|EthicsCommitteeName$|^SourceOfPreviousValues$"
)
_CHARACTERISTIC = re.compile(
    r"^Patient(Sex|Age|Size|Weight|SexNeutered)$|^EthnicGroup$|^SmokingStatus$|^PregnancyStatus$"
    r"|^SelectorASValue$"
)
_CHARACTERISTIC_AS_TEXT = re.compile(r"^(Allergies|SpecialNeeds|PatientState|PreMedication)$")
_STRUCTURED_CONTENT = re.compile(r"^(AcquisitionContext|SpecimenPreparation|Content)Sequence$")
_REFERENCES = re.compile(
    r"^Referenced(Study|Patient|Image|PerformedProcedureStep)Sequence$|^SourceImageSequence$"
    r"|^AffectedSOPInstanceUID$|^AnnotationGroupUID$"
)
_UID_ALWAYS_REPLACED = re.compile(r"^(UID|DigitalSignatureUID)$")  # in content and signatures
_TIMESTAMP = re.compile(r"^(TimezoneOffsetFromUTC|FrameOriginTimestamp|CertifiedTimestamp)$")
_TIME_OF_THE_PERSON = re.compile(r"^PatientBirth(Date|Time)$|^GPSTimeStamp$")  # never retained


def is_descriptor(keyword: str, vr: bytes) -> bool:
    """Whether an attribute is a short descriptor, which Clean Descriptors cleans and keeps."""
    if vr in _SHORT_TEXT:
        return bool(_DESCRIPTOR.search(keyword)) and not _NO_DESCRIPTOR.search(keyword)
    return bool(_DESCRIPTOR_OF_OTHER_VR.search(keyword))


def is_free_text(keyword: str, vr: bytes) -> bool:
    """Whether an attribute is a descriptor that somebody wrote freely.

    The standard has it cleaned under Clean Descriptors. No rule can check what somebody wrote, so
    that it is left to the Basic Profile.
    """
    written = vr in (b"LT", b"ST", b"UC", b"UT")
    return written and bool(_DESCRIPTOR.search(keyword)) and not _NO_DESCRIPTOR.search(keyword)


def _named(pattern: re.Pattern[str]) -> Callable[[str, bytes], bool]:
    return lambda keyword, vr: bool(pattern.search(keyword))


_RULES: tuple[tuple[Option, OptionAction, Callable[[str, bytes], bool]], ...] = (
    (Option.RETAIN_DEVICE_IDENTITY, OptionAction.CLEAN, lambda keyword, vr: vr == b"AE"),
    (Option.RETAIN_PATIENT_CHARACTERISTICS, OptionAction.CLEAN, _named(_CHARACTERISTIC_AS_TEXT)),
    (Option.CLEAN_DESCRIPTORS, OptionAction.CLEAN, is_descriptor),
    (Option.CLEAN_STRUCTURED_CONTENT, OptionAction.CLEAN, _named(_STRUCTURED_CONTENT)),
    (
        Option.CLEAN_GRAPHICS,
        OptionAction.CLEAN,
        lambda keyword, vr: keyword == "GraphicAnnotationSequence",
    ),
    (Option.RETAIN_DEVICE_IDENTITY, OptionAction.KEEP, _named(_DEVICE)),
    (Option.RETAIN_INSTITUTION_IDENTITY, OptionAction.KEEP, _named(_INSTITUTION)),
    (Option.RETAIN_PATIENT_CHARACTERISTICS, OptionAction.KEEP, _named(_CHARACTERISTIC)),
    (Option.RETAIN_UIDS, OptionAction.KEEP, _named(_REFERENCES)),
)


def deciding_option(profile: Profile, tag: int) -> tuple[Option, OptionAction] | None:
    """Which option of the profile decides on a row of the table, `None` if none does.

    Clean Graphics leaves overlays and curves to the Basic Profile: their text is made of pixels,
    which cannot be told from graphics without recognition, so they are removed.
    """
    options = profile.options
    basic = basic_action(tag)
    if basic is None or tag >> 24 in _CURVES_AND_OVERLAYS:
        return None
    keyword, vr = keyword_for_tag(tag), vr_of_tag(tag)
    temporal = vr in _TEMPORAL or _TIMESTAMP.search(keyword)
    if temporal and not _TIME_OF_THE_PERSON.search(keyword):
        if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in options:
            return Option.RETAIN_LONGITUDINAL_MODIFIED_DATES, OptionAction.CLEAN
        if Option.RETAIN_LONGITUDINAL_FULL_DATES in options:
            return Option.RETAIN_LONGITUDINAL_FULL_DATES, OptionAction.KEEP
    if (
        basic is BasicAction.UID
        and Option.RETAIN_UIDS in options
        and not _UID_ALWAYS_REPLACED.search(keyword)
    ):
        return Option.RETAIN_UIDS, OptionAction.KEEP
    for option, action, matches in _RULES:
        if option in options and matches(keyword, vr):
            return option, action
    return None

"""What ADIT adds to Table E.1-1 of PS3.15: attributes that identify and that no row names.

How they are chosen: of all attributes of PS3.6 without a row, those that hold the same information
as a row (the birth date in another calendar beside the birth date), that name persons or
organisations or their ids and addresses, that somebody writes freely, or that do not belong into
a composite object. Names of persons (PN), UIDs, dates and unknown attributes are not listed: they
fall under the rule of their kind (`rules`). When a new edition brings a row for one of these, the
row takes over and the entry goes; a test finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.datadict import keyword_dict

from .iod_types import PlainAction
from .profile import Option
from .table import basic_action


@dataclass(frozen=True, slots=True)
class Supplement:
    """An attribute beyond the table.

    Attributes:
        action: In the codes of the table.
        reason: Why, in words.
        retained_by: Option under which it stays, as the rows that it resembles.
    """

    action: PlainAction
    reason: str
    retained_by: Option | None = None


_BIRTH = "Birth or death date in another calendar, beside PatientBirthDate (Z)"
_PERSON = "Identifies a person, as other identification sequences (X)"
_ISSUER = "Tells who issued an id, as IssuerOfPatientID (X)"
_ORDER = "Number of an order, as its successor of the same name (Z)"
_STUDY = "Number of the study, as StudyID (Z)"
_FREE = "Written freely, as other comments and reasons (X)"
_TEXT = "Written freely, as UnformattedTextValue (X/D); required where the item is of text"
_CHARACTERISTIC = "Derived from or told with size and weight of the patient (X)"
_CONTACT = "Person or place to be contacted, as telephone numbers (X)"
_SYSTEM = "Address or name of a system, as StationName and AE titles (X)"
_MACHINE = "Name of a treatment machine, as TreatmentMachineName (X/Z)"
_ENCRYPTED = "Holds the original attributes, encrypted, as OriginalAttributesSequence does (X)"
_PASSENGER = "Identifies a passenger or an owner (DICOS)"
_FILE = "Name of a file or of a record in an archive, which may be made of names or ids"
_GROUP_4 = "Directory of media (PS3.3 F), no part of a composite object; file names may be names"
_COMMAND = "Of a message (PS3.7), no part of an object"

_X, _Z, _D = PlainAction.REMOVE, PlainAction.ZERO, PlainAction.DUMMY
_CHARACTERISTICS = Option.RETAIN_PATIENT_CHARACTERISTICS
_DEVICE = Option.RETAIN_DEVICE_IDENTITY
_INSTITUTION = Option.RETAIN_INSTITUTION_IDENTITY

_CHOSEN: tuple[tuple[PlainAction, str, Option | None, str], ...] = (
    (
        _X,
        _BIRTH,
        None,
        "PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar "
        "PatientAlternativeCalendar",
    ),
    (
        _X,
        _PERSON,
        None,
        "RequestingPhysicianIdentificationSequence AuthorIdentificationSequence "
        "DocumentAuthorIdentifierCodeSequenceTrial DocumentIdentifierCodeSequenceTrial "
        "DocumentingObserverIdentifierCodeSequenceTrial "
        "DocumentingOrganizationIdentifierCodeSequenceTrial IdentifierCodeSequenceTrial "
        "ObjectBinaryIdentifierTrial ObjectDirectoryBinaryIdentifierTrial "
        "PatientClinicalTrialParticipationSequence OwnerID ReferenceToRecordedSound "
        "InterpretationDiagnosisCodeSequence RouteOfAdmissions",
    ),
    (
        _X,
        _ISSUER,
        None,
        "IssuerOfPatientIDQualifiersSequence IssuerOfAccessionNumberSequence "
        "OrderPlacerIdentifierSequence OrderFillerIdentifierSequence "
        "SourcePatientGroupIdentificationSequence GroupOfPatientsIdentificationSequence",
    ),
    (_D, _ISSUER, None, "LocalNamespaceEntityID UniversalEntityID"),
    (
        _X,
        "Group of persons in an institution, as InstitutionalDepartmentName (X)",
        _INSTITUTION,
        "ResponsibleGroupCodeSequence",
    ),
    (
        _X,
        _ORDER,
        None,
        "PlacerOrderNumberProcedure FillerOrderNumberProcedure "
        "PlacerOrderNumberImagingServiceRequestRetired "
        "FillerOrderNumberImagingServiceRequestRetired",
    ),
    (_X, _STUDY, None, "OtherStudyNumbers"),
    (_X, _SYSTEM, None, "RetrieveURL RetrieveURI"),
    (
        _X,
        _FREE,
        None,
        "CommentsOnTheScheduledProcedureStep CommentsOnPatientPerformanceOfVisualField "
        "ReasonForCancellation TransactionStatusComment ReportStatusCommentTrial "
        "InstructionPerformanceComment SurfaceComments AssertionComments DoseComment "
        "TreatmentStatusComment OverrideReason SetupImageComment SOPAuthorizationComment "
        "FrameOfReferenceTransformationComment SystemStatusComment TestResultComment",
    ),
    (_D, _TEXT, None, "TextValue CalculationComment"),
    (_X, _CHARACTERISTIC, _CHARACTERISTICS, "PatientSizeCodeSequence PatientBodyMassIndex"),
    (_X, _CONTACT, None, "ContactURI ContactDisplayName"),
    (
        _X,
        _SYSTEM,
        None,
        "SourcePresentationAddress SendingPresentationAddress ReceivingPresentationAddress "
        "NTPSourceAddress AuthorizationEquipmentCertificationNumber",
    ),
    (_X, _SYSTEM, _DEVICE, "PrinterName"),
    (_Z, _MACHINE, _DEVICE, "RadiationMachineName"),
    (_X, _ENCRYPTED, None, "EncryptedAttributesSequence EncryptedContent"),
    (_X, _PASSENGER, None, "BoardingPassID ItineraryID OOIOwnerSequence"),
    (_X, _FILE, None, "StorageMediaFileSetID"),
    (_D, _FILE, None, "FilenameInContainer RecordKey PriorRecordKey HL7InstanceIdentifier"),
)


def _of_groups() -> Iterator[tuple[int, Supplement]]:
    for tag in keyword_dict.values():
        if basic_action(tag) is None and tag & 0xFFFF:
            if tag >> 16 == 0x0004:
                yield tag, Supplement(_X, _GROUP_4)
            elif tag >> 16 == 0x0000:
                yield tag, Supplement(_X, _COMMAND)


SUPPLEMENTS: dict[int, Supplement] = {
    **{
        keyword_dict[keyword]: Supplement(action, reason, option)
        for action, reason, option, keywords in _CHOSEN
        for keyword in keywords.split()
    },
    **dict(_of_groups()),
}
"""By tag."""

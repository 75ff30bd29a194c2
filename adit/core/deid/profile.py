"""What a de-identification does: the profile with its options, and the assignment of a subject."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .burned_in import BurnedInPolicy
from .device_regions import DeviceRegion
from .own_rules import OwnRule
from .safe_private import SafePrivate


class Option(StrEnum):
    """Options of the Basic Application Level Confidentiality Profile (PS3.15 E.3)."""

    RETAIN_SAFE_PRIVATE = "retain_safe_private"
    RETAIN_UIDS = "retain_uids"
    RETAIN_DEVICE_IDENTITY = "retain_device_identity"
    RETAIN_INSTITUTION_IDENTITY = "retain_institution_identity"
    RETAIN_PATIENT_CHARACTERISTICS = "retain_patient_characteristics"
    RETAIN_LONGITUDINAL_FULL_DATES = "retain_longitudinal_full_dates"
    RETAIN_LONGITUDINAL_MODIFIED_DATES = "retain_longitudinal_modified_dates"
    CLEAN_DESCRIPTORS = "clean_descriptors"
    CLEAN_STRUCTURED_CONTENT = "clean_structured_content"
    CLEAN_GRAPHICS = "clean_graphics"
    CLEAN_PIXEL_DATA = "clean_pixel_data"


A_DATE_THAT_STAYS = (
    "Dates are shifted, and one that stays as it is would tell by how much. Clean it, which shifts "
    "it, or keep the dates of the whole profile."
)

CODE_OF_BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")

CODE_OF_OPTION: dict[Option, tuple[str, str]] = {
    Option.CLEAN_PIXEL_DATA: ("113101", "Clean Pixel Data Option"),
    Option.CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.CLEAN_STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
    Option.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.RETAIN_LONGITUDINAL_FULL_DATES: (
        "113106",
        "Retain Longitudinal Temporal Information Full Dates Option",
    ),
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES: (
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    Option.RETAIN_PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    Option.RETAIN_DEVICE_IDENTITY: ("113109", "Retain Device Identity Option"),
    Option.RETAIN_UIDS: ("113110", "Retain UIDs Option"),
    Option.RETAIN_SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.RETAIN_INSTITUTION_IDENTITY: ("113112", "Retain Institution Identity Option"),
}
"""Code value and meaning in coding scheme DCM (PS3.16 CID 7050), in the order of the codes."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The Basic Profile with options. Equal secrets give equal pseudonyms of UIDs, ids and dates.

    Attributes:
        name: Shown to users and written to DeidentificationMethod.
        version: Counts the changes of the profile.
        secret: Key of every mapping; at least 16 bytes. Never leaves the server.
        options: Options of PS3.15 E.3 in force.
        excluded_modalities: Objects of these modalities are refused.
        leak_gate: Whether the independent check looks for identifiers in the outgoing header.
        whole_weeks: Shift dates by whole weeks, so that the day of the week stays.
        burned_in: What happens to objects that may carry identity in their pixels or document.
        own_rules: Rules of the profile's owner; they win over the table and the options.
        safe_private: Private elements that stay under Retain Safe Private, beside the built-in
            list.
        device_regions: Regions to blank under Clean Pixel Data, beside the built-in ones.
    """

    name: str
    version: int = 1
    secret: bytes = field(repr=False)
    options: frozenset[Option] = frozenset()
    excluded_modalities: frozenset[str] = frozenset({"PR", "SR"})
    leak_gate: bool = True
    whole_weeks: bool = False
    burned_in: BurnedInPolicy = BurnedInPolicy.HOLD
    own_rules: tuple[OwnRule, ...] = ()
    safe_private: tuple[SafePrivate, ...] = ()
    device_regions: tuple[DeviceRegion, ...] = ()

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise ValueError("The secret of a profile has at least 16 bytes.")
        if {
            Option.RETAIN_LONGITUDINAL_FULL_DATES,
            Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,
        } <= self.options:
            raise ValueError("Dates are either retained or modified, not both.")
        if len({rule.place for rule in self.own_rules}) < len(self.own_rules):
            raise ValueError("own_rules: two rules are about the same attribute.")
        if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in self.options:
            for rule in self.own_rules:
                if rule.keeps_a_date:
                    raise ValueError(f"own_rules: {rule.tag}: {A_DATE_THAT_STAYS}")


@dataclass(frozen=True, kw_only=True)
class SourcePatient:
    """Who the patient is by what the source tells beside the objects; "" and () where it does not.

    The header of an object may name the patient otherwise, or not at all. What is known here is
    taken out of it and may not be left in it all the same.

    Attributes:
        patient_ids: Current and earlier ones.
        name: As PN has it (PS3.5 6.2.1), all of its component groups.
        birth_date: As DA has it.
        accession_number: Of the study.
    """

    patient_ids: tuple[str, ...] = field(default=(), repr=False)
    name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Who the subject is in the outgoing objects.

    Attributes:
        pseudonym: Goes to PatientID and PatientName; 1 to 64 characters (LO, PS3.5 6.2).
        trial_protocol_id: Goes to ClinicalTrialProtocolID.
        trial_protocol_name: Goes to ClinicalTrialProtocolName.
        patient: Whom nothing may tell, beside what the objects themselves say.
    """

    pseudonym: str
    trial_protocol_id: str = ""
    trial_protocol_name: str = ""
    patient: SourcePatient = SourcePatient()

    def __post_init__(self) -> None:
        if not self.pseudonym.strip():
            raise ValueError("A pseudonym is needed.")
        for value in (self.pseudonym, self.trial_protocol_id, self.trial_protocol_name):
            if len(value) > 64:
                raise ValueError("Pseudonym and trial have at most 64 characters.")
            if "\\" in value or any(ord(character) < 32 for character in value):
                raise ValueError(
                    "Pseudonym and trial are without backslash and control characters."
                )


def standard_research_profile(secret: bytes, version: int = 1) -> Profile:
    """The default profile: dates modified, patient characteristics kept, descriptors cleaned."""
    return Profile(
        name="Standard research",
        version=version,
        secret=secret,
        options=frozenset(
            {
                Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,
                Option.RETAIN_PATIENT_CHARACTERISTICS,
                Option.CLEAN_DESCRIPTORS,
            }
        ),
    )

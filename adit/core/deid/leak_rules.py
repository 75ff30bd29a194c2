"""What must be true of every outgoing header, stated apart from the engine's table.

A short list on purpose: attributes that no option retains, written down by hand from PS3.15 and
not taken from the table that the engine obeys.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

from .profile import Option, Profile

_NEVER_WITH_A_VALUE = """
BranchOfService CountryOfResidence CurrentPatientLocation InsurancePlanIdentification
MedicalRecordLocator MilitaryRank MotherBirthName OtherPatientIDs OtherPatientNames
PatientAddress PatientBirthName PatientBirthTime PatientInstitutionResidence PatientMotherBirthName
PatientReligiousPreference PatientTelecomInformation PatientTelephoneNumbers PersonAddress
PersonTelephoneNumbers ReferringPhysicianAddress ReferringPhysicianName
ReferringPhysicianTelephoneNumbers RegionOfResidence RequestingPhysician ResponsibleOrganization
ResponsiblePerson NameOfPhysiciansReadingStudy AdmissionID
"""
_EMPTY = frozenset(
    int(tag) for keyword in _NEVER_WITH_A_VALUE.split() if (tag := tag_for_keyword(keyword))
)
_PATIENT_NAME, _PATIENT_ID, _IDENTITY_REMOVED = 0x00100010, 0x00100020, 0x00120062


@dataclass(frozen=True)
class OutgoingRules:
    """Rules about outgoing elements under one profile and pseudonym."""

    pseudonym: bytes
    private_may_stay: bool
    own: frozenset[int]

    @classmethod
    def of(cls, profile: Profile, pseudonym: str) -> OutgoingRules:
        retained = Option.RETAIN_SAFE_PRIVATE in profile.options
        own = frozenset(rule.number for rule in profile.own_rules if not rule.private_creator)
        private = any(rule.is_private for rule in profile.own_rules)
        return cls(
            pseudonym=pseudonym.strip().encode() if pseudonym.isascii() else b"",
            private_may_stay=retained or private,
            own=own,
        )

    def looks_at(self, tag: int) -> bool:
        """Whether elements of the tag are to be judged."""
        group = tag >> 16
        if group & 1:
            return not self.private_may_stay
        curves = group >> 8 in (0x50, 0x60)
        named = tag in (_PATIENT_NAME, _PATIENT_ID, _IDENTITY_REMOVED) or tag in _EMPTY
        return (curves or named) and tag not in self.own

    def broken_by(self, tag: int, value: bytes) -> bool:
        """Whether an element of a tag that is looked at breaks a rule."""
        value = value.strip(b" \0")
        if tag in (_PATIENT_NAME, _PATIENT_ID):
            return bool(self.pseudonym) and value != self.pseudonym
        if tag == _IDENTITY_REMOVED:
            return value != b"YES"
        if tag in _EMPTY:
            return bool(value)
        return True  # private elements, curves and overlays

"""What a de-identification reports about one object."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class FindingKind(StrEnum):
    """What the leak gate recognised. The value itself is never reported."""

    PATIENT_ID = "patient_id"
    PATIENT_NAME = "patient_name"
    BIRTH_DATE = "birth_date"
    OLD_AGE = "old_age"
    ORIGINAL_DATE = "original_date"
    ACCESSION_NUMBER = "accession_number"
    ADDRESS = "address"
    PHONE = "phone"
    ORIGINAL_UID = "original_uid"
    BURNED_IN = "burned_in"
    RULE_VIOLATION = "rule_violation"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """An identifier of the patient left in an outgoing element.

    Attributes:
        tag: Element as `group << 16 | element`; of the innermost element where it is nested.
        keyword: Keyword of PS3.6, empty for private and unknown elements.
        kind: What was recognised.
    """

    tag: int
    keyword: str
    kind: FindingKind

    def __str__(self) -> str:
        place = f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X}) {self.keyword}".rstrip()
        return f"{self.kind.value} in {place}"


@dataclass(slots=True)
class DeidResult:
    """Outcome for one object.

    Attributes:
        source_sop_instance_uid: UID before, for the caller's ledger. Never shown with the result.
        size: Bytes written to the target.
        action_counts: Elements by action (values of `Action`), at all levels.
        findings: Why the object is held; nothing else may be done with it where there are any.
        excluded: Why the object is not transferred; then nothing was written.
        unknown: Attributes never seen before, by name and count: private blocks by creator, tags
            that PS3.6 does not know. Never a value.
        transfer_syntax_uid: Of what was written; differs from the source's where pixels were
            cleaned.
        pixels_cleaned: Whether regions of the pixel data were blanked.
    """

    sop_class_uid: str
    source_sop_instance_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    size: int
    action_counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    excluded: str = ""
    unknown: Counter[str] = field(default_factory=Counter)
    transfer_syntax_uid: str = ""
    pixels_cleaned: bool = False

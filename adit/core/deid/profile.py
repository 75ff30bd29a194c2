"""Profiles."""

from dataclasses import dataclass, field
from enum import StrEnum


class Option(StrEnum):
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


@dataclass(frozen=True, kw_only=True)
class Profile:
    name: str
    version: int
    secret: bytes = field(repr=False)
    options: frozenset[Option] = frozenset()
    excluded_modalities: frozenset[str] = frozenset({"PR", "SR"})
    leak_gate: bool = True
    whole_weeks: bool = False

"""De-identification of DICOM data sets (PS3.15 Annex E). Knows no Django."""

from .attribute_table import AttributeRow, attribute_table
from .burned_in import BurnedInPolicy
from .device_regions import DeviceRegion
from .errors import DeidentificationError, ExcludedModality, MalformedDataset, TruncatedDataset
from .excluded import excluded_as
from .own_rules import OwnRule, RuleAction
from .preview import Preview, PreviewRow, preview
from .profile import (
    A_DATE_THAT_STAYS,
    Assignment,
    Option,
    Profile,
    SourcePatient,
    standard_research_profile,
)
from .pseudonymizer import Pseudonymizer
from .report import DeidResult, Finding, FindingKind
from .safe_private import SAFE_PRIVATE, SafePrivate

__all__ = [
    "A_DATE_THAT_STAYS",
    "SAFE_PRIVATE",
    "Assignment",
    "AttributeRow",
    "BurnedInPolicy",
    "DeidResult",
    "DeidentificationError",
    "DeviceRegion",
    "ExcludedModality",
    "Finding",
    "FindingKind",
    "MalformedDataset",
    "Option",
    "OwnRule",
    "Preview",
    "PreviewRow",
    "Profile",
    "Pseudonymizer",
    "RuleAction",
    "SafePrivate",
    "SourcePatient",
    "TruncatedDataset",
    "attribute_table",
    "excluded_as",
    "preview",
    "standard_research_profile",
]

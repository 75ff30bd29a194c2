"""De-identification of DICOM data sets (PS3.15 Annex E). Knows no Django."""

from .errors import DeidentificationError, ExcludedModality, MalformedDataset, TruncatedDataset
from .profile import Assignment, Option, Profile, standard_research_profile
from .pseudonymizer import Pseudonymizer
from .report import DeidResult, Finding, FindingKind

__all__ = [
    "Assignment",
    "DeidResult",
    "DeidentificationError",
    "ExcludedModality",
    "Finding",
    "FindingKind",
    "MalformedDataset",
    "Option",
    "Profile",
    "Pseudonymizer",
    "TruncatedDataset",
    "standard_research_profile",
]

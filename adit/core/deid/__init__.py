"""De-identification."""

from adit.core.deid.profile import Option, Profile

__all__ = ["Option", "Profile"]

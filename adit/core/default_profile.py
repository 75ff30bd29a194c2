"""The de-identification profile that every installation has."""

from typing import Any

from django.conf import settings

from adit.core.models import DeidProfile
from adit.core.models.profiles import (
    DEFAULT_PROFILE_NAME,
    DEFAULT_PROFILE_OPTIONS,
    seeded_secret,
)


def ensure_default_profile(**_: Any) -> None:
    """Make the profile unless it is there; called after each migration."""
    DeidProfile.objects.get_or_create(
        name=DEFAULT_PROFILE_NAME,
        version=1,
        defaults={
            "secret": seeded_secret(DEFAULT_PROFILE_NAME),
            "options": [option.value for option in DEFAULT_PROFILE_OPTIONS],
            "excluded_modalities": settings.EXCLUDE_MODALITIES,
        },
    )

"""De-identification profiles: named, versioned, each with a secret of its own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from adit.core.deid import Option, Profile
from adit.core.models.encrypted import EncryptedTextField

if TYPE_CHECKING:
    from adit.accounts.models import User

DEFAULT_PROFILE_NAME = "Standard research"
DEFAULT_PROFILE_OPTIONS = [
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,
    Option.RETAIN_PATIENT_CHARACTERISTICS,
    Option.CLEAN_DESCRIPTORS,
]


def new_secret() -> str:
    """A fresh secret of 32 random bytes, as hexadecimal digits."""
    return secrets.token_hex(32)


def seeded_secret(name: str) -> str:
    """The secret of a profile that ships with the system: equal seeds give equal secrets."""
    return hmac.new(settings.ANONYMIZATION_SEED.encode(), name.encode(), hashlib.sha256).hexdigest()


def _validate_options(value: Any) -> None:
    known = {option.value for option in Option}
    unknown = [option for option in value if option not in known]
    if unknown:
        raise ValidationError(
            f"Unknown options: {', '.join(map(str, unknown))}. Known: {', '.join(sorted(known))}."
        )


class DeidProfileQuerySet(models.QuerySet["DeidProfile"]):
    def usable_by(self, user: User) -> DeidProfileQuerySet:
        """Active profiles that are open to all groups or to the user's active group."""
        return self.filter(
            Q(groups=None) | Q(groups=user.active_group_id), is_active=True
        ).distinct()


class DeidProfile(models.Model):
    """A de-identification policy after PS3.15 Annex E: the Basic Profile with options."""

    name = models.CharField(max_length=64)
    version = models.PositiveIntegerField(default=1)
    secret = EncryptedTextField(default=new_secret, editable=False)
    options = models.JSONField(default=list, blank=True, validators=[_validate_options])
    excluded_modalities = models.JSONField(default=list, blank=True)
    leak_gate = models.BooleanField(default=True)
    whole_weeks = models.BooleanField(
        default=False, help_text="Shift dates by whole weeks, so that weekdays stay."
    )
    groups = models.ManyToManyField(Group, blank=True, help_text="None: every group may use it.")
    is_active = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)

    objects: Any = DeidProfileQuerySet.as_manager()

    class Meta:
        ordering = ["name", "-version"]
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="profile_version")]
        verbose_name = "de-identification profile"

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"

    def to_profile(self) -> Profile:
        """What the de-identification engine needs to know."""
        return Profile(
            name=self.name,
            version=self.version,
            secret=bytes.fromhex(self.secret),
            options=frozenset(Option(option) for option in self.options),
            excluded_modalities=frozenset(self.excluded_modalities),
            leak_gate=self.leak_gate,
            whole_weeks=self.whole_weeks,
        )

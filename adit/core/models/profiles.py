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
from django.db.models import Exists, OuterRef, Q

from adit.core.deid import (
    BurnedInPolicy,
    DeviceRegion,
    Option,
    OwnRule,
    Profile,
    SafePrivate,
)
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


def _validate_parts(kind: Any, entries: Any) -> None:
    for entry in entries:
        try:
            kind.from_json(entry)
        except ValueError as err:
            raise ValidationError(str(err)) from err


def validate_own_rules(value: Any) -> None:
    """Each entry is an own rule as JSON."""
    _validate_parts(OwnRule, value)


def validate_safe_private(value: Any) -> None:
    """Each entry is a safe private element as JSON."""
    _validate_parts(SafePrivate, value)


def validate_device_regions(value: Any) -> None:
    """Each entry is a device region as JSON."""
    _validate_parts(DeviceRegion, value)


class DeidProfileQuerySet(models.QuerySet["DeidProfile"]):
    def newest(self) -> DeidProfileQuerySet:
        """Of each name the newest active version."""
        newer = DeidProfile.objects.filter(
            name=OuterRef("name"), version__gt=OuterRef("version"), is_active=True
        )
        return self.filter(~Exists(newer), is_active=True)

    def usable_by(self, user: User) -> DeidProfileQuerySet:
        """The newest active versions that are open to all groups or to the user's active group."""
        return self.usable_in(user.active_group_id)

    def usable_in(self, group_id: int | None) -> DeidProfileQuerySet:
        """The newest active versions that a group may use.

        An older version that was open to the group comes back neither by the newest being closed
        to it nor by that one being retired afterwards: who narrows a profile narrows it for new
        transfers.
        """
        closed = DeidProfile.objects.exclude(pk__in=DeidProfile.objects.open_to(group_id))
        newer = closed.filter(name=OuterRef("name"), version__gt=OuterRef("version"))
        return self.newest().open_to(group_id).filter(~Exists(newer))

    def open_to(self, group_id: int | None) -> DeidProfileQuerySet:
        """Those open to all groups or to this one."""
        return self.filter(Q(groups=None) | Q(groups=group_id)).distinct()


class VersionIsFixed(Exception):
    """A saved version of a profile was about to be changed."""


class DeidProfile(models.Model):
    """A de-identification policy after PS3.15 Annex E: the Basic Profile with options.

    A row is one version, and what a version does never changes: receipts, reports and repeated
    transfers rely on it. Only whether it is offered, and to which groups, may change.
    """

    name = models.CharField(max_length=64)
    version = models.PositiveIntegerField(default=1)
    secret = EncryptedTextField(default=new_secret, editable=False)
    options = models.JSONField(default=list, blank=True, validators=[_validate_options])
    excluded_modalities = models.JSONField(default=list, blank=True)
    leak_gate = models.BooleanField(default=True)
    whole_weeks = models.BooleanField(
        default=False, help_text="Shift dates by whole weeks, so that weekdays stay."
    )
    burned_in = models.CharField(
        "burned-in annotations",
        max_length=16,
        choices=[(policy.value, policy.value.capitalize()) for policy in BurnedInPolicy],
        default=BurnedInPolicy.HOLD.value,
    )
    own_rules = models.JSONField(default=list, blank=True, validators=[validate_own_rules])
    safe_private = models.JSONField(default=list, blank=True, validators=[validate_safe_private])
    device_regions = models.JSONField(
        default=list, blank=True, validators=[validate_device_regions]
    )
    note = models.CharField(max_length=255, blank=True, help_text="Why this version was made.")
    author = models.CharField(max_length=150, blank=True, editable=False)
    groups = models.ManyToManyField(Group, blank=True, help_text="None: every group may use it.")
    is_active = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)

    objects: Any = DeidProfileQuerySet.as_manager()

    class Meta:
        ordering = ["name", "-version"]
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="profile_version")]
        verbose_name = "de-identification profile"
        permissions = [("manage_profiles", "Can manage de-identification profiles")]

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding and self._differs():
            raise VersionIsFixed(f"{self} is saved and does not change: make a new version.")
        super().save(*args, **kwargs)

    def _differs(self) -> bool:
        columns = [f.attname for f in self._meta.concrete_fields if f.attname != "is_active"]
        stored = DeidProfile.objects.filter(pk=self.pk).values_list(*columns).first()
        return stored is not None and stored != tuple(getattr(self, name) for name in columns)

    def narrowed_by(self) -> list[DeidProfile]:
        """The newer, retired versions that are for some groups only, as this one is therefore."""
        newer = DeidProfile.objects.filter(name=self.name, version__gt=self.version)
        return list(newer.filter(is_active=False, groups__isnull=False).distinct())

    def offered_to(self) -> list[str] | None:
        """The names of the groups that may use it where it is the newest active version.

        None stands for all groups; the list may be empty.
        """
        narrow = [one for one in (self, *self.narrowed_by()) if one.groups.exists()]
        sets = [set(one.groups.values_list("name", flat=True)) for one in narrow]
        return sorted(set.intersection(*sets)) if sets else None

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
            burned_in=BurnedInPolicy(self.burned_in),
            own_rules=tuple(OwnRule.from_json(rule) for rule in self.own_rules),
            safe_private=tuple(SafePrivate.from_json(entry) for entry in self.safe_private),
            device_regions=tuple(DeviceRegion.from_json(one) for one in self.device_regions),
        )

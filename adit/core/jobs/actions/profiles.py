"""What is done to de-identification profiles: made, made anew as a version, offered or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction

from adit.core.alike import looks_like
from adit.core.jobs.actions.base import Conflict, action_done
from adit.core.models import DeidProfile
from adit.core.models.profiles import new_secret

if TYPE_CHECKING:
    from adit.accounts.models import User

MANAGE = "core.manage_profiles"

# What a version does; the rest says who made it, and who may use it.
POLICY = (
    "options",
    "excluded_modalities",
    "leak_gate",
    "whole_weeks",
    "burned_in",
    "own_rules",
    "safe_private",
    "device_regions",
)


def check_may_manage(user: User) -> None:
    """Raises PermissionDenied unless the user may manage profiles."""
    if not user.has_perm(MANAGE):
        raise PermissionDenied("You may not manage de-identification profiles.")


def create_profile(
    user: User, name: str, policy: dict[str, Any], groups: Iterable[Group], note: str = ""
) -> DeidProfile:
    """Make version 1 of a profile with a fresh secret.

    Raises:
        PermissionDenied: the user may not manage profiles.
        Conflict: there is a profile of this name, in whatever case, or of one that looks like it.
        ValidationError: the policy holds what no profile can.
    """
    check_may_manage(user)
    with transaction.atomic():
        _lock_names()
        if DeidProfile.objects.filter(name__iexact=name).exists():
            raise Conflict(f"There is a profile {name} already: edit it to make a new version.")
        if alike := name_alike(name):
            raise Conflict(f"There is a profile {alike}, whose name looks the same.")
        profile = _save(user, DeidProfile(name=name, note=note), policy, groups)
        _announce(user, "profile.create", profile, f"{profile}, {_offer(profile)}")
    return profile


def name_alike(name: str) -> str:
    """The name of a profile that people would take for the same, empty if there is none."""
    wanted = looks_like(name)
    names = DeidProfile.objects.order_by("name").values_list("name", flat=True).distinct()
    return next((known for known in names if looks_like(known) == wanted), "")


def new_version(
    user: User,
    earlier: DeidProfile,
    policy: dict[str, Any],
    groups: Iterable[Group],
    note: str = "",
    *,
    fresh_secret: bool = False,
) -> DeidProfile:
    """Make the next version of a profile; `earlier` stays as it is.

    The secret is carried over, so that the patients keep their UIDs and dates over versions;
    with `fresh_secret` nothing can be linked to earlier transfers.

    Raises:
        PermissionDenied: the user may not manage profiles.
        Conflict: somebody has made a newer version meanwhile.
        ValidationError: the policy holds what no profile can.
    """
    check_may_manage(user)
    with transaction.atomic():
        _lock_names()
        newest = DeidProfile.objects.filter(name=earlier.name).order_by("-version").first()
        if newest is None or newest.pk != earlier.pk:
            raise Conflict(
                f"{earlier} is not the newest version any more: somebody has made "
                f"{newest or 'changes'}. Open that one and edit it."
            )
        draft = DeidProfile(
            name=earlier.name,
            version=earlier.version + 1,
            secret=new_secret() if fresh_secret else earlier.secret,
            note=note,
        )
        profile = _save(user, draft, policy, groups)
        secret = "fresh secret" if fresh_secret else "secret carried over"
        _announce(user, "profile.version", profile, f"{profile}, {secret}, {_offer(profile)}")
    return profile


def set_active(user: User, profile_id: int, active: bool) -> DeidProfile:
    """Retire a version, or offer it again. Jobs that use it go on with it; ended ones are not
    started again (`rerun`). An older version that is offered then is for no group that the
    retired one was not for.

    Raises:
        PermissionDenied: the user may not manage profiles.
        DeidProfile.DoesNotExist: no such version.
        Conflict: it is so already.
    """
    check_may_manage(user)
    with transaction.atomic():
        profile = DeidProfile.objects.select_for_update().get(pk=profile_id)
        if profile.is_active == active:
            raise Conflict(f"{profile} is {'active' if active else 'retired'} already.")
        DeidProfile.objects.filter(pk=profile_id).update(is_active=active)
        profile.is_active = active
        word = "reactivate" if active else "retire"
        _announce(user, f"profile.{word}", profile, f"{profile}. {offered_in_words(profile.name)}")
    return profile


def offered_in_words(name: str) -> str:
    """Which version of a profile new transfers get, and who may use it."""
    offered = DeidProfile.objects.newest().filter(name=name).first()
    if offered is None:
        return "No version of it is offered any more."
    groups = offered.offered_to()
    if groups == []:
        return (
            f"No group may use version {offered.version}, which is the newest one left: retired "
            "ones are for other groups. Change theirs, or make a new version."
        )
    return f"New transfers get version {offered.version}, {_for_groups(groups)}."


def set_groups(user: User, profile_id: int, groups: Iterable[Group]) -> DeidProfile:
    """Say which groups may use a version; none stands for all of them.

    Raises:
        PermissionDenied: the user may not manage profiles.
        DeidProfile.DoesNotExist: no such version.
    """
    check_may_manage(user)
    with transaction.atomic():
        profile = DeidProfile.objects.select_for_update().get(pk=profile_id)
        profile.groups.set(groups)
        _announce(user, "profile.groups", profile, f"{profile}, {_offer(profile)}")
    return profile


def _lock_names() -> None:
    """One at a time: two who make the same version would meet in the constraint only."""
    list(DeidProfile.objects.select_for_update().order_by("pk").values_list("pk", flat=True))


def _save(
    user: User, profile: DeidProfile, policy: dict[str, Any], groups: Iterable[Group]
) -> DeidProfile:
    for name in POLICY:
        if name in policy:
            setattr(profile, name, policy[name])
    profile.author = user.get_username()
    profile.full_clean()
    profile.save(force_insert=True)
    profile.groups.set(groups)
    return profile


def _offer(profile: DeidProfile) -> str:
    return _for_groups(list(profile.groups.order_by("name").values_list("name", flat=True)))


def _for_groups(names: list[str] | None) -> str:
    return f"for {', '.join(names)}" if names else "for all groups"


def _announce(user: User, action: str, profile: DeidProfile, outcome: str) -> None:
    action_done.send(DeidProfile, user=user, action=action, object=profile, outcome=outcome)

"""Keeps every active group one of the user's own groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Subquery
from django.db.models.signals import m2m_changed, post_delete, pre_delete
from django.dispatch import receiver

from adit.accounts.models import User

_Membership = User.groups.through


def settle_active_groups(user_ids: Iterable[int]) -> None:
    """Give the users whose active group is none of their groups the first of them by name."""
    own = _Membership.objects.filter(user_id=OuterRef("pk"))
    User.objects.filter(pk__in=list(user_ids)).exclude(
        Exists(own.filter(group_id=OuterRef("active_group_id")))
    ).update(active_group=Subquery(own.order_by("group__name").values("group_id")[:1]))


@receiver(m2m_changed, sender=_Membership)
def _membership_changed(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_: Any
) -> None:
    if action == "pre_clear" and reverse:
        # Once the group is cleared nobody knows any more who was in it.
        instance._members_before_clear = list(instance.user_set.values_list("pk", flat=True))
    if action not in ("post_add", "post_remove", "post_clear"):
        return
    if not reverse:
        settle_active_groups([instance.pk])
        instance.refresh_from_db(fields=["active_group"])
    elif action == "post_clear":
        settle_active_groups(instance._members_before_clear)
    else:
        settle_active_groups(pk_set or ())


@receiver(pre_delete, sender=Group)
def _remember_members(sender: Any, instance: Group, **_: Any) -> None:
    members = User.objects.filter(active_group=instance)
    instance._members_before_delete = list(members.values_list("pk", flat=True))  # type: ignore[attr-defined]


@receiver(post_delete, sender=Group)
def _group_deleted(sender: Any, instance: Group, **_: Any) -> None:
    settle_active_groups(instance._members_before_delete)  # type: ignore[attr-defined]

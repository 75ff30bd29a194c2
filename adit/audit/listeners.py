"""Writes an entry for every announced action and for every log-in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Model
from django.dispatch import receiver

from adit.audit.models import AuditEntry
from adit.core.jobs.actions import action_done


def record(
    action: str, user: Any = None, obj: Model | None = None, outcome: str = "", username: str = ""
) -> AuditEntry:
    """Add an entry. `outcome` must hold no identifying value of a patient."""
    group = getattr(user, "active_group", None)
    return AuditEntry.objects.create(
        user=user,
        username=username or (user.get_username() if user else ""),
        group=group.name if group else "",
        action=action,
        object_type=obj._meta.label_lower if obj else "",
        object_id=str(obj.pk or "") if obj else "",
        outcome=outcome[:255],
    )


@receiver(action_done)
def _action(sender: Any, user: Any, action: str, object: Model, outcome: str, **_: Any) -> None:
    record(action, user, object, outcome)


@receiver(user_logged_in)
def _logged_in(sender: Any, user: Any, **_: Any) -> None:
    record("login", user)


@receiver(user_logged_out)
def _logged_out(sender: Any, user: Any, **_: Any) -> None:
    if user is not None:
        record("logout", user)


@receiver(user_login_failed)
def _failed(sender: Any, credentials: dict[str, Any], **_: Any) -> None:
    record("login.failed", username=str(credentials.get("username", ""))[:150])

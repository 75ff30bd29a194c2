"""Writes an entry for every announced action and for every log-in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Model
from django.dispatch import receiver

from adit.audit.models import AuditEntry
from adit.core.jobs.actions import action_done, actions_done


def record(
    action: str, user: Any = None, obj: Model | None = None, outcome: str = "", username: str = ""
) -> AuditEntry:
    """Add an entry. `outcome` must hold no identifying value of a patient."""
    entry = _entry(action, user, obj, outcome, username)
    entry.save(force_insert=True)
    return entry


def _entry(
    action: str, user: Any = None, obj: Model | None = None, outcome: str = "", username: str = ""
) -> AuditEntry:
    group = getattr(user, "active_group", None)
    return AuditEntry(
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


@receiver(actions_done)
def _actions(
    sender: Any, user: Any, action: str, entries: Iterable[tuple[Model, str]], **_: Any
) -> None:
    """An entry for each object, a thousand in one statement."""
    rows = [_entry(action, user, obj, outcome) for obj, outcome in entries]
    AuditEntry.objects.bulk_create(rows, batch_size=1000)


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

"""Who speaks on a WebSocket, asked anew each time."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone

from adit.accounts.models import User


def session_key_of(scope: dict[str, Any]) -> str:
    """The key of the session that a WebSocket was opened with; empty for a visitor."""
    return getattr(scope.get("session"), "session_key", None) or ""


def current_user(scope: dict[str, Any]) -> User | None:
    """The user of a WebSocket as the database knows him now; None where he has logged out, was
    deactivated or has changed his password since."""
    key = session_key_of(scope)
    return current_users([key]).get(key)


def current_users(session_keys: Iterable[str]) -> dict[str, User]:
    """The users of many sessions, by session, in two queries; who may no longer come in is left
    out. One user has one object, whatever the number of his sessions."""
    keys = {key for key in session_keys if key}
    if not keys:
        return {}
    sessions = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    contents = {session.session_key: session.get_decoded() for session in sessions}
    wanted = {
        key: int(content[SESSION_KEY])
        for key, content in contents.items()
        if content.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and str(content.get(SESSION_KEY, "")).isdecimal()
    }
    users = User.objects.filter(is_active=True).in_bulk(set(wanted.values()))
    return {
        key: user
        for key, user_id in wanted.items()
        if (user := users.get(user_id)) is not None
        and hmac.compare_digest(
            str(contents[key].get(HASH_SESSION_KEY, "")), user.get_session_auth_hash()
        )
    }

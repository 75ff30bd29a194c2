"""Who speaks on a WebSocket, asked anew each time."""

from __future__ import annotations

import hmac
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from adit.accounts.models import User


def current_user(scope: dict[str, Any]) -> User | None:
    """The user of a WebSocket as the database knows him now; None where he has logged out, was
    deactivated or has changed his password since."""
    session_key = getattr(scope.get("session"), "session_key", None)
    if not session_key:
        return None
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key=session_key)
    if store.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=store.get(SESSION_KEY, 0), is_active=True).first()
    if user is None:
        return None
    if not hmac.compare_digest(store.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    return user

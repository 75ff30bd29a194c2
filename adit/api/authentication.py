"""Who may speak to the API."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request


class Session(SessionAuthentication):
    """The session of somebody who has logged in on the pages; changes need the CSRF token.

    Unlike its parent it lets a visitor be answered with 401 instead of 403.
    """

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="ADIT"'


class SessionScheme(OpenApiAuthenticationExtension):
    """How the schema describes it."""

    target_class = Session
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}

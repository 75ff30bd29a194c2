"""Errors as `application/problem+json` (RFC 9457): what happened, to what, in words.

`code` is for programs, `detail` for people.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from adit.core.jobs.actions import Conflict, NoSuchJob

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
NOT_FOUND = "There is no such thing here, or it is not for you."
_TITLES = {
    "not_found": "Not found",
    "conflict": "That does not fit the current state",
    "permission_denied": "No access",
    "not_authenticated": "Log in first",
    "authentication_failed": "Log in first",
    "invalid": "The request makes no sense",
    "parse_error": "The request makes no sense",
    "error": "Something went wrong on the server",
}


class ConflictProblem(exceptions.APIException):
    """409: the state of the object does not allow what was asked for."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


def problem(code: str, detail: str, status_code: int, **more: Any) -> dict[str, Any]:
    """The body of an error."""
    title = _TITLES.get(code, code.replace("_", " ").capitalize())
    return {"title": title, "status": status_code, "code": code, "detail": detail, **more}


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's exception handler: every error in one form."""
    error = _as_api_exception(exc)
    set_rollback()
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        fields = _fields(error.detail)
        detail = " ".join(f"{name}: {text}" if name else text for name, text in fields)
        errors = [{"field": name, "detail": text} for name, text in fields]
        body = problem("invalid", detail, error.status_code, errors=errors)
    else:
        code = str(getattr(error.detail, "code", error.default_code))
        body = problem(code, str(error.detail), error.status_code)
    return Response(body, error.status_code, headers=headers, content_type=CONTENT_TYPE)


def _as_api_exception(exc: Exception) -> exceptions.APIException:
    if isinstance(exc, exceptions.APIException):
        return exc
    if isinstance(exc, Http404 | NoSuchJob):
        return exceptions.NotFound(NOT_FOUND)
    if isinstance(exc, Conflict):
        return ConflictProblem(str(exc))
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied(str(exc) or None)
    logger.error("The API failed", exc_info=exc)
    return exceptions.APIException("The server failed at this request; it is in its log.")


def _fields(detail: Any, name: str = "") -> list[tuple[str, str]]:
    """Each message of a validation error with the field that it is about."""
    if isinstance(detail, dict):
        return [pair for key, part in detail.items() for pair in _fields(part, _join(name, key))]
    if isinstance(detail, list):
        return [pair for part in detail for pair in _fields(part, name)]
    return [(name, str(detail))]


def _join(name: str, key: Any) -> str:
    if key == "non_field_errors":
        return name
    return f"{name}.{key}" if name else str(key)


def nowhere(request: HttpRequest, **_: Any) -> HttpResponse:
    """What answers to addresses of the API that there are none of."""
    body = json.dumps(problem("not_found", NOT_FOUND, 404))
    return HttpResponse(body, status=404, content_type=CONTENT_TYPE)

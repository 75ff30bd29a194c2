"""The error pages: what happened, to what, and what helps."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from adit.core.models import DicomJob


class NotThere(Http404):
    """A job or a task that is gone, or somebody else's; `what` says which of both."""

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.")
        self.what = what


def error_page(
    request: HttpRequest, code: int, title: str, text: str, advice: str = "", **context: Any
) -> HttpResponse:
    """An error page in the frame of all pages."""
    context |= {"code": code, "title": title, "text": text, "advice": advice}
    return render(request, "core/errors/error.html", context, status=code)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_page(
        request,
        400,
        "The request was not understood",
        "The address or the form held something that makes no sense here.",
        "Go back, reload the page and try again.",
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    text = str(exception) if exception and str(exception) else "You may not use this page."
    group = getattr(getattr(request, "user", None), "active_group", None)
    rights = f" Your rights are those of your active group, {group}." if group else ""
    return error_page(
        request,
        403,
        "No access",
        text + rights,
        "Switch the active group if you have another one, or ask for access.",
        support=settings.SUPPORT_EMAIL,
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_page(
        request,
        403,
        "The form was too old",
        "The page was opened before you logged in, or the browser sends no cookies.",
        "Reload the page and send the form again.",
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_page(
        request,
        404,
        "There is no such page",
        "The address is wrong, the object was deleted, or it belongs to somebody else.",
    )


def conflict(request: HttpRequest, text: str, back: str) -> HttpResponse:
    """The state of the object does not allow what was asked for."""
    return error_page(
        request,
        409,
        "That does not fit the current state",
        text,
        "Something has changed since the page was loaded.",
        back=back,
        back_label="Back",
    )


def not_allowed(request: HttpRequest, text: str, advice: str, job: DicomJob) -> HttpResponse:
    """Such an address of a job is not to be opened, but to be sent something (405)."""
    title, back = "Not by its address", job.get_absolute_url()
    response = error_page(
        request, 405, title, text, advice, back=back, back_label=f"To job {job.pk}"
    )
    response["Allow"] = "POST"
    return response

"""A refused request is one line in the log, without address, traceback and identifiers."""

import logging

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import resolve


@pytest.fixture
def denied() -> HttpRequest:
    request = RequestFactory().get("/jobs/4711/?q=Schmidt")
    request.resolver_match = resolve("/jobs/4711/")
    return request


def logged(caplog: pytest.LogCaptureFixture, request: HttpRequest, status: int) -> str:
    try:
        raise PermissionDenied("Schmidt")
    except PermissionDenied as err:
        with caplog.at_level(logging.INFO, "django.request"):
            logging.getLogger("django.request").warning(
                "Forbidden (Permission denied): %s",
                request.path,
                extra={"status_code": status, "request": request},
                exc_info=err,
            )
    formatter = logging.Formatter("%(levelname)s %(name)s: %(message)s")
    return formatter.format(caplog.records[-1])


def test_a_refusal_is_one_line_with_the_route(caplog, denied):
    line = logged(caplog, denied, 403)

    assert line.startswith("WARNING django.request: 403 for GET /")
    assert "4711" not in line and "Schmidt" not in line and "\n" not in line


def test_an_address_that_leads_nowhere_is_not_repeated(caplog):
    line = logged(caplog, RequestFactory().get("/Schmidt"), 404)

    assert line == "WARNING django.request: 404 for GET an unknown address"


def test_a_fault_of_the_program_keeps_its_traceback(caplog, denied):
    assert "PermissionDenied" in logged(caplog, denied, 500)

"""Filters of logs: what would tell of a patient.

Django logs a PermissionDenied with its traceback and the address. A refusal is no fault of the
program, and addresses may hold UIDs: the line names the route instead. pydicom quotes values.
"""

from __future__ import annotations

import logging

_SERVER_ERROR = 500


class RefusedInOneLine(logging.Filter):
    """Rewrites records of `django.request` about answers below 500."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", _SERVER_ERROR)
        if status < _SERVER_ERROR:
            request = getattr(record, "request", None)
            match = getattr(request, "resolver_match", None)
            route = f"/{match.route}" if match else "an unknown address"
            method = getattr(request, "method", None) or "request"
            record.msg, record.args = "%s for %s %s", (status, method, route)
            record.exc_info = record.exc_text = None
        return True


class NoWarnings(logging.Filter):
    """Drops what is below an error.

    A level would not do: pydicom sets that of its logger anew when it is imported.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

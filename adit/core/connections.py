"""Testing the connection to a server: the action, and its page in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from adit.core.dicom.connection_check import ConnectionReport, check_connection
from adit.core.jobs.actions import action_done
from adit.core.models import DicomServer
from adit.core.transfer.processor import local_config

if TYPE_CHECKING:
    from adit.accounts.models import User


def check_server(user: User | None, server: DicomServer) -> ConnectionReport:
    """Test the connection to `server` for `user`; None is the command line.

    Raises:
        PermissionDenied: the user may not change servers.
    """
    if user is not None and not user.has_perm("core.change_dicomserver"):
        raise PermissionDenied("You may not test the connection to servers.")
    report = check_connection(server.to_config(), local_config())
    action_done.send(
        DicomServer,
        user=user,
        action="server.test",
        object=server,
        outcome="passed" if report.passed else "failed",
    )
    return report


class ConnectionTestMixin(admin.ModelAdmin):
    """A button on the page of a server that tests the connection and shows what was found."""

    change_form_template = "admin/core/dicomserver/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.test_view))
        name = "core_dicomserver_test_connection"
        return [path("<int:pk>/test-connection/", view, name=name), *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Test with the settings that are stored."""
        server = get_object_or_404(DicomServer, pk=pk)
        user: Any = request.user
        report = check_server(user, server)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Connection to {server}",
            "opts": self.opts,
            "original": server,
            "report": report,
        }
        return TemplateResponse(request, "admin/core/dicomserver/connection.html", context)

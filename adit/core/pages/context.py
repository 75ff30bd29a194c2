"""What every page knows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from adit.core.jobs.registry import all_kinds

VERSION = "0.1.0"
LICENCE_URL = "https://www.gnu.org/licenses/agpl-3.0.html"


@dataclass(frozen=True)
class MenuEntry:
    """One place in the navigation."""

    label: str
    icon: str
    url: str
    is_current: bool


class Shell:
    """The frame around a page; each part is made when a template asks for it."""

    version = VERSION
    licence_url = LICENCE_URL

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def site_name(self) -> str:
        """Not a variable of its own: Django's log-in view sets `site_name` to the host."""
        return settings.SITE_NAME

    @property
    def _user(self) -> Any:
        return getattr(self._request, "user", None)

    @cached_property
    def theme(self) -> str:
        """`light`, `dark` or `auto` (the browser decides)."""
        return getattr(self._user, "theme", "auto") or "auto"

    @cached_property
    def menu(self) -> list[MenuEntry]:
        """What the user may use."""
        user = self._user
        if user is None or not user.is_authenticated:
            return []
        jobs = self._entry("Jobs", "list-task", reverse("core:job_list"), "/tasks/")
        entries = [*self.kinds, jobs]
        if user.has_perm("core.manage_profiles"):
            entries.append(self._entry("Profiles", "incognito", reverse("core:profile_list")))
        if user.is_staff:
            entries.append(self._entry("Held", "shield-exclamation", reverse("core:held_list")))
            entries.append(self._entry("Admin", "gear", reverse("admin:index")))
        return entries

    @cached_property
    def kinds(self) -> list[MenuEntry]:
        """The kinds of jobs that the user may start."""
        user = self._user
        if user is None or not user.is_authenticated:
            return []
        return [
            self._entry(kind.label, kind.icon, reverse(kind.url_name))
            for kind in all_kinds()
            if user.has_perm(kind.add_permission) and user.has_perm("core.query_dicom_server")
        ]

    def _entry(self, label: str, icon: str, url: str, *more: str) -> MenuEntry:
        return MenuEntry(label, icon, url, self._request.path.startswith((url, *more)))

    @cached_property
    def groups(self) -> list[Any]:
        """The groups that the user may work for."""
        user = self._user
        if user is None or not user.is_authenticated:
            return []
        return list(user.groups.order_by("name"))

    @property
    def active_group(self) -> Any:
        """The one of them whose rights count; it always is one of them."""
        chosen = getattr(self._user, "active_group_id", None)
        return next((group for group in self.groups if group.pk == chosen), None)


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor: the frame around the page."""
    return {"shell": Shell(request)}

"""Who may see which profile."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from adit.core.jobs.actions.profiles import MANAGE, check_may_manage
from adit.core.models import DeidProfile

View = Callable[..., HttpResponse]


def for_managers(view: View) -> View:
    """Lets only those in who may manage profiles; others get 403."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        check_may_manage(request.user)  # type: ignore[arg-type]
        return view(request, *args, **kwargs)

    return guarded


def usable_profile(user: Any, profile_id: int) -> DeidProfile:
    """A version that the user may use, or any one for those who manage profiles.

    Raises:
        Http404: there is none, or it is for others.
    """
    profiles = DeidProfile.objects.all()
    if not user.has_perm(MANAGE):
        profiles = DeidProfile.objects.usable_by(user)
    return get_object_or_404(profiles, pk=profile_id)

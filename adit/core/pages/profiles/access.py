"""Who may see which profile."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from adit.core.jobs.actions.profiles import MANAGE, check_may_manage
from adit.core.jobs.registry import all_kinds
from adit.core.models import DeidProfile, TransferJob

View = Callable[..., HttpResponse]


def for_managers(view: View) -> View:
    """Lets only those in who may manage profiles; others get 403."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        check_may_manage(request.user)  # type: ignore[arg-type]
        return view(request, *args, **kwargs)

    return guarded


def readable_profile(user: Any, profile_id: int) -> DeidProfile:
    """A version of which the user may read what it does: one that he may use, or that a job of
    his used; any one for staff and for those who manage profiles.

    Raises:
        Http404: there is none, or it is for others.
    """
    profile = get_object_or_404(DeidProfile, pk=profile_id)
    if user.is_staff or user.has_perm(MANAGE):
        return profile
    usable = DeidProfile.objects.usable_by(user).filter(pk=profile_id).exists()
    if not usable and not _used_by(user, profile_id):
        raise Http404
    return profile


def _used_by(user: Any, profile_id: int) -> bool:
    models = [kind.job_model for kind in all_kinds() if issubclass(kind.job_model, TransferJob)]
    return any(model.objects.filter(owner=user, profile_id=profile_id).exists() for model in models)

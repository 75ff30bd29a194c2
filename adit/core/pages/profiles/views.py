"""The list of profiles, a version, and what may be done to it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from adit.core.deid import BurnedInPolicy, Option
from adit.core.jobs.actions.base import Conflict
from adit.core.jobs.actions.profiles import (
    create_profile,
    new_version,
    offered_in_words,
    set_active,
    set_groups,
)
from adit.core.jobs.registry import all_kinds
from adit.core.models import DeidProfile, TransferJob
from adit.core.pages.errors import conflict
from adit.core.pages.profiles.access import for_managers
from adit.core.pages.profiles.differences import (
    differences,
    rule_place,
    rule_words,
    safe_place,
)
from adit.core.pages.profiles.forms import GroupsForm, ProfileDraft, with_one_more_row
from adit.core.pages.profiles.words import BURNED_IN, OPTIONS


@for_managers
@require_GET
def profile_list(request: HttpRequest) -> HttpResponse:
    """Of each name the version that is offered, or the newest where none is."""
    profiles = list(DeidProfile.objects.prefetch_related("groups").order_by("name", "-version"))
    by_name: dict[str, list[Any]] = {}
    for profile in profiles:
        by_name.setdefault(profile.name, []).append(profile)
    shown = []
    for versions in by_name.values():
        current = next((one for one in versions if one.is_active), versions[0])
        current.is_offered = current.is_active
        current.number_of_versions = len(versions)
        current.option_names = _option_names(current)
        current.offered_to_names = current.offered_to()
        shown.append(current)
    shown.sort(key=lambda one: (not one.is_active, one.name.casefold()))
    return render(request, "core/profiles/list.html", {"profiles": shown})


@for_managers
@require_GET
def profile_detail(request: HttpRequest, profile_id: int) -> HttpResponse:
    """One version: what it does, who may use it, its other versions."""
    profile = _profile(profile_id)
    return _detail(request, profile, _groups_form(profile))


@for_managers
@require_http_methods(["GET", "POST"])
def profile_create(request: HttpRequest) -> HttpResponse:
    draft = ProfileDraft(request.POST if request.method == "POST" else None)
    return _edit(request, draft, "core/profiles/edit.html")


@for_managers
@require_http_methods(["GET", "POST"])
def profile_edit(request: HttpRequest, profile_id: int) -> HttpResponse:
    """A new version, made from this one."""
    earlier = _profile(profile_id)
    newest = DeidProfile.objects.filter(name=earlier.name).order_by("-version").first()
    if request.method == "GET" and newest is not None and newest.pk != earlier.pk:
        return redirect("core:profile_edit", newest.pk)
    data = request.POST if request.method == "POST" else None
    return _edit(request, ProfileDraft(data, earlier=earlier), "core/profiles/edit.html")


def _edit(request: HttpRequest, draft: ProfileDraft, template: str) -> HttpResponse:
    status = 200
    if "add" in request.POST:
        more = with_one_more_row(request.POST, request.POST["add"])
        draft = ProfileDraft(more, earlier=draft.earlier)
    elif request.method == "POST":
        status = 422
        if draft.is_valid():
            try:
                profile = _save(request, draft)
            except (Conflict, ValidationError) as err:
                texts = err.messages if isinstance(err, ValidationError) else [str(err)]
                for text in texts:
                    draft.form.add_error(None, text)
            else:
                messages.success(request, f"{profile} is saved.")
                return redirect("core:profile_detail", profile.pk)
    context = {"draft": draft, "form": draft.form, "earlier": draft.earlier}
    return render(request, template, context, status=status)


def _save(request: HttpRequest, draft: ProfileDraft) -> DeidProfile:
    user: Any = request.user
    data = draft.form.cleaned_data
    if draft.earlier is None:
        return create_profile(user, data["name"], draft.policy(), data["groups"], data["note"])
    return new_version(
        user,
        draft.earlier,
        draft.policy(),
        data["groups"],
        data["note"],
        fresh_secret=data["fresh_secret"],
    )


@for_managers
@require_POST
def profile_active(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Retire (`active=0`) or reactivate (`active=1`) a version."""
    profile = _profile(profile_id)
    active = request.POST.get("active") == "1"
    url = reverse("core:profile_detail", args=[profile_id])
    try:
        set_active(request.user, profile_id, active)  # type: ignore[arg-type]
    except Conflict as err:
        return conflict(request, str(err), url)
    done = f"{profile} is {'active' if active else 'retired'}."
    messages.success(request, f"{done} {offered_in_words(profile.name)}")
    return redirect(url)


@for_managers
@require_POST
def profile_groups(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Say who may use a version."""
    profile = _profile(profile_id)
    form = GroupsForm(request.POST)
    if not form.is_valid():
        return _detail(request, profile, form, status=422)
    set_groups(request.user, profile_id, form.cleaned_data["groups"])  # type: ignore[arg-type]
    messages.success(request, f"The groups of {profile} are saved.")
    return redirect("core:profile_detail", profile_id)


@for_managers
@require_GET
def profile_compare(request: HttpRequest, profile_id: int) -> HttpResponse:
    """What this version does differently from another one of the same name (`?with=<id>`)."""
    profile = _profile(profile_id)
    versions = list(DeidProfile.objects.filter(name=profile.name))
    wanted = request.GET.get("with", "")
    others = [one for one in versions if one.pk != profile.pk]
    earlier = [one for one in others if one.version < profile.version]
    default = (earlier or others or [None])[0]
    other = next((one for one in others if str(one.pk) == wanted), default)
    if other is None or (wanted and str(other.pk) != wanted):
        raise Http404
    old, new = sorted((profile, other), key=lambda one: one.version)
    context = {
        "profile": profile,
        "other": other,
        "others": others,
        "old": old,
        "new": new,
        "differences": differences(old, new),
    }
    return render(request, "core/profiles/compare.html", context)


def _profile(profile_id: int) -> DeidProfile:
    return get_object_or_404(DeidProfile, pk=profile_id)


def _groups_form(profile: DeidProfile) -> GroupsForm:
    return GroupsForm(initial={"groups": list(profile.groups.values_list("pk", flat=True))})


def _option_names(profile: DeidProfile) -> list[str]:
    return [words.name for option, words in OPTIONS.items() if option.value in profile.options]


def _detail(
    request: HttpRequest, profile: DeidProfile, groups_form: GroupsForm, status: int = 200
) -> HttpResponse:
    versions = list(DeidProfile.objects.filter(name=profile.name))
    jobs = _jobs_by_version([version.pk for version in versions])
    for version in versions:
        version.number_of_jobs = jobs.get(version.pk, 0)
    offered = next((one for one in versions if one.is_active), None)
    every: list[Any] = [profile, *versions]
    for version in every:
        version.is_offered = offered is not None and version.pk == offered.pk
    context = {
        "profile": profile,
        "versions": versions,
        "offered": offered,
        "offered_words": offered_in_words(profile.name),
        "narrowed_by": profile.narrowed_by() if profile.is_active else [],
        "open_to": profile.offered_to(),
        "newest": versions[0],
        "number_of_jobs": jobs.get(profile.pk, 0),
        "options": [(words, option.value in profile.options) for option, words in OPTIONS.items()],
        "unknown_options": [o for o in profile.options if o not in set(Option)],
        "burned_in": BURNED_IN[BurnedInPolicy(profile.burned_in)],
        "rules": [(rule_place(rule), rule_words(rule)) for rule in profile.own_rules],
        "safe_private": [(safe_place(one), one) for one in profile.safe_private],
        "groups_form": groups_form,
        "groups": list(profile.groups.order_by("name")),
    }
    return render(request, "core/profiles/detail.html", context, status=status)


def _jobs_by_version(profile_ids: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for kind in all_kinds():
        if not issubclass(kind.job_model, TransferJob):
            continue
        rows = kind.job_model.objects.filter(profile_id__in=profile_ids).order_by()
        for profile_id, number in rows.values_list("profile_id").annotate(number=Count("id")):
            found[profile_id] = found.get(profile_id, 0) + number
    return found

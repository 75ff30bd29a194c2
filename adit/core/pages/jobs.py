"""Home and the list of jobs."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from adit.core.jobs.registry import all_kinds
from adit.core.models import DicomJob
from adit.core.pages.fragments import (
    as_response,
    home_context,
    home_fragments,
    list_fragments,
    with_progress,
)
from adit.core.pages.identifiers import id_list

PAGE_SIZE = 25
SORTS = {
    "": ("-id",),
    "id": ("id",),
    "kind": ("kind", "-id"),
    "-kind": ("-kind", "-id"),
    "state": ("state", "-id"),
    "-state": ("-state", "-id"),
    "owner": ("owner__username", "-id"),
    "-owner": ("-owner__username", "-id"),
}


def _select() -> forms.Select:
    return forms.Select(attrs={"class": "form-select"})


class JobFilter(django_filters.FilterSet):
    """By kind and state; for staff also by owner and whether all jobs are shown."""

    kind = django_filters.ChoiceFilter(
        choices=lambda: [(kind.key, kind.label) for kind in all_kinds()],
        empty_label="All kinds",
        widget=_select(),
    )
    state = django_filters.ChoiceFilter(
        choices=DicomJob.State.choices, empty_label="All states", widget=_select()
    )
    owner = django_filters.CharFilter(
        field_name="owner__username",
        lookup_expr="icontains",
        label="Owner",
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )

    class Meta:
        model = DicomJob
        fields = ["kind", "state", "owner"]

    def __init__(self, *args: Any, show_owner: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not show_owner:
            del self.filters["owner"]


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Running and recent jobs of the user."""
    return render(request, "core/home.html", home_context(request.user))


@login_required
@require_GET
def home_live(request: HttpRequest) -> HttpResponse:
    return as_response(home_fragments(request.user))


@login_required
@require_GET
def job_list(request: HttpRequest) -> HttpResponse:
    """The user's own jobs; staff sees all, or with `?own=1` only their own."""
    user: Any = request.user
    sees_all = user.is_staff and request.GET.get("own") != "1"
    jobs = DicomJob.objects.select_related("owner")
    jobs = jobs if sees_all else jobs.filter(owner=user)
    chosen = JobFilter(request.GET, queryset=jobs, show_owner=sees_all)
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else ""
    found = chosen.qs.order_by(*SORTS[sort])
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "jobs": with_progress(page.object_list),
        "filter": chosen,
        "sees_all": sees_all,
        "sort": sort,
        "is_filtered": any(request.GET.get(name) for name in ("kind", "state", "owner")),
    }
    return render(request, "core/jobs/list.html", context)


@login_required
@require_GET
def job_list_live(request: HttpRequest) -> HttpResponse:
    return as_response(list_fragments(request.user, id_list(request.GET.get("jobs", ""))))

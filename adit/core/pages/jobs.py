"""Home and the list of jobs."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from adit.core.pages.fragments import (
    as_response,
    home_context,
    home_fragments,
    list_context,
    list_fragments,
)
from adit.core.pages.job_search import JobChoices, JobFilterForm, left_out
from adit.core.pages.search_memory import JOBS, clean_search, recall, recall_marked, remember


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Running and recent jobs of the user."""
    return render(request, "core/home.html", home_context(request.user))


@login_required
@require_GET
def home_live(request: HttpRequest) -> HttpResponse:
    return as_response(home_fragments(request.user))


def _choices(request: HttpRequest) -> JobChoices:
    return JobChoices.from_query(request.user, request.GET, recall(request.session, JOBS))


@login_required
@require_http_methods(["GET", "POST"])
def job_list(request: HttpRequest) -> HttpResponse:
    """The user's own jobs; staff sees all, or with `?own=1` only their own. A POST searches."""
    if request.method == "POST":
        remember(request.session, JOBS, clean_search(request.POST.get("search", "")))
        query = request.GET.copy()
        query.pop("page", None)
        return redirect(f"{reverse('core:job_list')}?{query.urlencode()}")
    if "all" in request.GET:
        remember(request.session, JOBS, "")
        return redirect(f"{reverse('core:job_list')}{'?own=1' if 'own' in request.GET else ''}")
    choices = _choices(request)
    user: Any = request.user
    context = list_context(user, choices)
    context["form"] = JobFilterForm(request.GET, sees_all=not choices.own)
    context["left_out"] = left_out(user, request.GET)
    page = request.GET.get("page", "")
    if page.isascii() and page.isdecimal() and int(page[:9]) != context["page"].number:
        context["left_out"].append("the list has no such page")
    return render(request, "core/jobs/list.html", context)


@login_required
@require_GET
def job_list_live(request: HttpRequest) -> HttpResponse:
    """What the WebSocket would send, for pages without one."""
    search = recall_marked(request.session, JOBS, request.GET.get("searched", ""))
    if search is None:
        return HttpResponse(status=204)
    choices = JobChoices.from_query(request.user, request.GET, search)
    fragments = list_fragments(request.user, choices)
    return as_response({"job-table": fragments["job-table"]})

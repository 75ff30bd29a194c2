"""The pages of held instances, for staff."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from adit.core.jobs.actions import action_done
from adit.core.jobs.actions.base import Conflict
from adit.core.jobs.actions.held import HELD_ACTIONS, NotHeld, check_may_decide
from adit.core.jobs.registry import concrete_job
from adit.core.models import SeriesTransfer
from adit.core.pages.errors import conflict
from adit.core.pages.held.documents import as_download, document_of, part10
from adit.core.pages.held.found import (
    held_count,
    held_groups,
    held_record,
    series_with_held,
    with_groups,
)
from adit.core.pages.held.look import CannotLook, look_at, read, see
from adit.core.pages.rendering import Window
from adit.core.pages.source_view import as_seen, link_to_kind, sees_sources

PAGE_SIZE = 25
WINDOWS = {
    Window.VIEWER: "As a viewer shows it",
    Window.FULL: "All values, from the lowest to the highest",
    Window.EQUAL: "Equalised: faint text becomes visible",
    Window.UNUSED: "Unused bits alone",
}


def for_staff(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        check_may_decide(request.user)  # type: ignore[arg-type]
        return view(request, *args, **kwargs)

    return guarded


@for_staff
@require_GET
def held_list(request: HttpRequest) -> HttpResponse:
    """All series with held instances, over all tasks."""
    rows = series_with_held().select_related("task__job__owner", "task__source")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": with_groups(page.object_list), "number": held_count()}
    return render(request, "core/held/list.html", context)


@for_staff
@require_GET
def held_of_task(request: HttpRequest, task_id: int) -> HttpResponse:
    """The part of a task's page that tells what is held of it."""
    rows = SeriesTransfer.objects.filter(task_id=task_id).order_by("series_number", "id")
    every = list(rows)
    context = {
        "rows": with_groups([row for row in every if row.held]),
        "released": sum(row.released for row in every),
        "discarded": sum(row.discarded for row in every),
    }
    return render(request, "core/held/_of_task.html", context)


@for_staff
@require_GET
def held_series(request: HttpRequest, series_id: int) -> HttpResponse:
    """What is held of a series, and the decisions."""
    row = _row(series_id)
    return _page(request, row)


@for_staff
@never_cache
@require_POST
def held_look(request: HttpRequest, series_id: int) -> HttpResponse:
    """Show one instance (`key`) before and after, with one `frame` of its pixels in a `window`;
    nothing of it is stored."""
    row, key = _row(series_id), request.POST.get("key", "")
    found = held_record(row, key)
    if found is None:
        return _not_held(request)
    number, record = found
    frame, window = _frame(request.POST.get("frame", "")), _window(request.POST.get("window", ""))
    error, shown = "", None
    try:
        shown = look_at(row, record, frame, window)
    except CannotLook as err:
        error = str(err)
    what = f"held {_name(row, number)}"
    if shown and shown.picture:
        rendered = shown.picture.rendered
        what += f", frame {rendered.frame}" if rendered else " without a picture"
    _audit(request, row, "look", f"looked at {what}" if shown else f"{what} could not be shown")
    look = {
        "key": key,
        "number": number,
        "shown": shown,
        "error": error,
        "frame": frame,
        "window": window,
        "windows": WINDOWS,
    }
    return _page(request, row, look=look)


@for_staff
@never_cache
@require_POST
def held_download(request: HttpRequest, series_id: int, what: str) -> HttpResponse:
    """The instance (`key`) as it would leave: its `document`, or the whole `instance`."""
    if what not in ("document", "instance"):
        raise Http404
    row = _row(series_id)
    found = held_record(row, request.POST.get("key", ""))
    if found is None:
        return _not_held(request)
    number, record = found
    back = reverse("core:held_series", args=[series_id])
    try:
        leaving = see(row, record).leaving
        document = document_of(read(leaving)) if what == "document" else None
    except CannotLook as err:
        _audit(request, row, "download", f"held {_name(row, number)} could not be shown")
        return conflict(request, str(err), back)
    if what == "document" and document is None:
        return conflict(request, "The instance holds no document.", back)
    _audit(request, row, "download", f"downloaded the {what} of held {_name(row, number)}")
    name = f"held-job{row.task.job_id}-task{row.task.line}-{_name(row, number)}"
    name = name.replace(" of ", "-").replace(" ", "").replace("–", "")
    if document is not None:
        return as_download(document.data, document.media_type, f"{name}.{document.suffix}")
    return as_download(part10(leaving), "application/dicom", f"{name}.dcm")


@for_staff
@require_POST
def held_decide(request: HttpRequest, series_id: int, name: str) -> HttpResponse:
    """Release or discard the instances `key` that are held for just the findings `finding`."""
    action = HELD_ACTIONS.get(name)
    if action is None:
        raise Http404
    user: Any = request.user
    keys, findings = request.POST.getlist("key"), request.POST.getlist("finding")
    back = reverse("core:held_series", args=[series_id])
    try:
        outcome = action(user, series_id, keys, findings)
    except NotHeld as err:
        raise Http404 from err
    except Conflict as err:
        return conflict(request, str(err), back)
    messages.success(request, outcome)
    left = SeriesTransfer.objects.filter(pk=series_id, held__gt=0).exists()
    return redirect(back if left else "core:held_list")


def _frame(text: str) -> int:
    """From 1; 0, which no object has, for what is no number of a frame."""
    if not text:
        return 1
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _window(text: str) -> Window:
    return Window(text) if text in set(Window) else Window.VIEWER


def _name(row: SeriesTransfer, number: int) -> str:
    series = "–" if row.series_number is None else row.series_number
    return f"instance {number} of series {series}"


def _audit(request: HttpRequest, row: SeriesTransfer, name: str, outcome: str) -> None:
    action_done.send(
        SeriesTransfer, user=request.user, action=f"held.{name}", object=row.task, outcome=outcome
    )


def _not_held(request: HttpRequest) -> HttpResponse:
    text = "The instance is not held any more, or was never: load the list again."
    return conflict(request, text, reverse("core:held_list"))


def _row(series_id: int) -> SeriesTransfer:
    rows = SeriesTransfer.objects.select_related("task__job__owner", "task__source")
    return get_object_or_404(rows, pk=series_id)


def _page(
    request: HttpRequest, row: SeriesTransfer, look: dict[str, Any] | None = None
) -> HttpResponse:
    job: Any = concrete_job(row.task.job)
    transferred = getattr(row.task, link_to_kind(row.task.job), None) or row.task
    seen = as_seen(transferred, sees_sources(request.user, row.task.job))
    context = {
        "message": seen.message,
        "row": row,
        "task": row.task,
        "job": row.task.job,
        "profile": getattr(job, "profile", None),
        "groups": held_groups(row),
        "look": look,
    }
    return render(request, "core/held/series.html", context)

"""What a page answers to an action: the change, or in words why there was none."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from adit.core.jobs.actions import Conflict, NoSuchJob, NoSuchTask
from adit.core.pages.errors import NotThere, conflict

_MOST_REASONS = 4


def with_toast(
    response: HttpResponse, text: str, level: str, link: tuple[str, str] | None = None
) -> HttpResponse:
    """Let the page show `text`; with a `link` (address, words) behind it."""
    told = {"text": text, "level": level}
    if link is not None:
        told["address"], told["link"] = link
    response["HX-Trigger"] = json.dumps({"adit:toast": told})
    return response


def is_htmx(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request"))


def says_what_is_gone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a view tell the page in words, and where to go on, when it shows what was deleted."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotThere as err:
            # What a page asks by itself (GET) is told elsewhere on it.
            if request.method != "POST" or not is_htmx(request):
                raise
            text = f"This {err.what} no longer exists: it was deleted, or is not yours any more."
            link = (reverse("core:job_list"), "Show all jobs")
            return with_toast(HttpResponse(status=404), text, "error", link)

    return answer


def answer_action(
    request: HttpRequest,
    act: Callable[[], str],
    back: str,
    parts: Callable[[], HttpResponse | None],
    gone: str,
) -> HttpResponse:
    """Do `act` and answer with the live parts of the page, or for a plain form with a redirect.

    Args:
        back: the address of the page.
        parts: the parts as they are afterwards, also after a conflict, so that a stale page is
            brought up to date; None where the object is gone.
        gone: the address to go to then.

    Raises:
        NotThere: the object is not there, or not for this user.
        PermissionDenied: for a plain form; the frame answers with a page.
    """
    try:
        outcome, level, status = act(), "success", 200
    except NoSuchJob as err:
        raise NotThere("task" if isinstance(err, NoSuchTask) else "job") from err
    except Conflict as err:
        if not is_htmx(request):
            return conflict(request, str(err), back)
        outcome, level, status = str(err), "error", 409
    except PermissionDenied as err:
        if not is_htmx(request):
            raise
        return with_toast(HttpResponse(status=403), str(err), "error")
    if not is_htmx(request):
        messages.add_message(request, getattr(messages, level.upper()), outcome)
        return redirect(back if parts() is not None else gone)
    response = parts()
    if response is None:
        messages.add_message(request, getattr(messages, level.upper()), outcome)
        return HttpResponse(headers={"HX-Redirect": gone})
    response.status_code = status
    return with_toast(response, outcome, level)


def reason_of(refusal: str) -> str:
    """`Cannot reset task 8 of job 12: it is pending.` without the number."""
    return refusal.partition(": ")[2].rstrip(".") or refusal.rstrip(".")


def refusals_in_words(refused: Collection[tuple[int, str]]) -> str:
    """The end of a sentence about what was refused: the different reasons, the commonest first."""
    reasons = Counter(reason_of(text) for _, text in refused).most_common()
    if len(refused) == 1:
        return f": {reasons[0][0]}."
    if len(reasons) == 1:
        return f". The reason for each: {reasons[0][0]}."
    told = [f"For {number}: {reason}." for reason, number in reasons[:_MOST_REASONS]]
    more = " There are more reasons." if len(reasons) > _MOST_REASONS else ""
    return f". {' '.join(told)}{more}"

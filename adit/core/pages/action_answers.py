"""What a page answers to an action: the change, or in words why there was none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from adit.core.jobs.actions import Conflict, NoSuchJob
from adit.core.pages.errors import conflict

_MOST_REASONS = 4


def with_toast(response: HttpResponse, text: str, level: str) -> HttpResponse:
    response["HX-Trigger"] = json.dumps({"adit:toast": {"text": text, "level": level}})
    return response


def is_htmx(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request"))


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
        Http404: the object is not there, or not for this user.
        PermissionDenied: for a plain form; the frame answers with a page.
    """
    try:
        outcome, level, status = act(), "success", 200
    except NoSuchJob as err:
        raise Http404 from err
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

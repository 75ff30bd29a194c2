"""The page of selective transfer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from adit.accounts.preferences import read_preferences
from adit.core.jobs.actions import InvalidJob
from adit.core.jobs.notices import notices_for
from adit.selective_transfer import preferences, rights
from adit.selective_transfer.basket import Basket, read_basket
from adit.selective_transfer.lookup import LookupForm
from adit.selective_transfer.search_form import SearchForm
from adit.selective_transfer.submission import Submitted, Unusable, submit
from adit.selective_transfer.transfer_form import TransferForm


@sensitive_post_parameters("archive_password")
@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def form(request: HttpRequest) -> HttpResponse:
    """GET: the page. POST: create a job and go to its page; 422 with the reasons where it cannot.

    The page posts what it got from searches, signed:

    - `study`: a token per study; `series`: a token per single series (a study without any is
      meant as a whole)
    - `pseudonym-<key>`: the pseudonym of each patient

    Scripts post identifiers instead; the server looks the study up at the source:

    - `source`: name or id of a DICOM server
    - `patient_id`, `study_instance_uid`
    - `series_instance_uids` (optional): repeated, or apart by commas
    - `pseudonym`: may be empty with the permission to transfer unpseudonymised

    Both post:

    - `destination`: name or id of a node
    - `profile` (optional): name or id; the default is "Standard research", and never another one
    - `trial_protocol_id`, `trial_protocol_name` (optional)
    - `urgent`, `send_finished_mail` (optional): `on`
    - `archive`, `convert_to_nifti` (optional, for folders): `on`; with `archive` the answer is
      201 with the password on its page and the job's address in `Location`
    - `archive_password` (optional): empty to have one made
    - `csrfmiddlewaretoken`, as in all forms
    """
    user: Any = request.user
    rights.check_may_use(user)
    if request.method == "POST":
        return _create(request)
    basket = Basket([])
    return _page(request, TransferForm(user, basket, initial=_last_choices(user)))


@sensitive_post_parameters("archive_password")
@login_required
@never_cache
@require_POST
def basket(request: HttpRequest) -> HttpResponse:
    """What the page shows of the basket that it posts, with warnings; nothing is stored."""
    user: Any = request.user
    rights.check_may_use(user)
    chosen = _posted_basket(request)
    transfer = TransferForm(user, chosen, request.POST, draft=True)
    transfer.full_clean()
    context = {"transfer": transfer, "basket": chosen, **_frame(user)}
    return render(request, "selective_transfer/_basket.html", context)


def _create(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if "study_instance_uid" in request.POST and "study" not in request.POST:
        rights.check_may_search(user)
        chosen = LookupForm(user, request.POST).look_up()
    else:
        chosen = _posted_basket(request)
    transfer = TransferForm(user, chosen, request.POST)
    status = 422
    if transfer.is_valid():
        try:
            submitted = submit(transfer)
        except PermissionDenied as err:
            transfer.add_error(None, str(err))
            status = 403
        except (Unusable, InvalidJob) as err:
            transfer.add_error(None, str(err))
        else:
            job = submitted.job
            if submitted.password:
                return _show_password(request, submitted)
            waits = "" if job.state != job.State.UNVERIFIED else " It starts when it is verified."
            messages.success(request, f"{job} is created.{waits}")
            return redirect(job)
    return _page(request, transfer, status=status)


def _show_password(request: HttpRequest, submitted: Submitted) -> HttpResponse:
    """The only page that ever holds the password: the answer to the request that made the job."""
    context = {"job": submitted.job, "password": submitted.password}
    response = render(request, "selective_transfer/password.html", context, status=201)
    response["Location"] = submitted.job.get_absolute_url()
    return response


def _posted_basket(request: HttpRequest) -> Basket:
    user: Any = request.user
    return read_basket(user.pk, request.POST.getlist("study"), request.POST.getlist("series"))


def _page(request: HttpRequest, transfer: TransferForm, status: int = 200) -> HttpResponse:
    user: Any = request.user
    last = _last_choices(user)
    context = {
        "search": SearchForm(user, initial={"source": last.get("source")}),
        "transfer": transfer,
        "basket": transfer.basket,
        "may_search": user.has_perm(rights.QUERY),
        "result_limit": settings.SELECTIVE_TRANSFER_RESULT_LIMIT,
        **_frame(user),
    }
    return render(request, "selective_transfer/form.html", context, status=status)


def _frame(user: Any) -> dict[str, Any]:
    most = None if user.is_staff else settings.SELECTIVE_TRANSFER_MAX_STUDIES
    return {"max_studies": most, "notices": notices_for(user)}


def _last_choices(user: Any) -> dict[str, Any]:
    last = read_preferences(user, preferences.FORM, preferences.KEYS)
    return {name: value for name, value in last.items() if value is not None}

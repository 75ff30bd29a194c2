"""The list of jobs: filtered, searched and sorted by a few known fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from adit.core.jobs.registry import all_kinds
from adit.core.models import DicomJob, TransferJob, TransferTask
from adit.core.pages.search_memory import mark_of
from adit.core.pages.source_view import IDENTIFIERS_PERMISSION

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
# Pseudo state of the filter: everything that has not ended.
OPEN = "OPEN"


def _date_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date", "class": "form-control"}, format="%Y-%m-%d")


class JobFilterForm(forms.Form):
    """By kind, state, day of creation; for staff also by owner."""

    use_required_attribute = False

    kind = forms.ChoiceField(
        required=False, widget=forms.Select(attrs={"class": "form-select"}), label="Kind"
    )
    state = forms.ChoiceField(
        required=False,
        choices=[("", "All states"), (OPEN, "Not ended"), *DicomJob.State.choices],
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    since = forms.DateField(required=False, label="Created from", widget=_date_input())
    until = forms.DateField(required=False, label="Created until", widget=_date_input())
    owner = forms.CharField(
        required=False,
        max_length=150,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )

    def __init__(self, data: QueryDict, *, sees_all: bool) -> None:
        super().__init__(data, auto_id="filter-%s")
        kinds = [(kind.key, kind.label) for kind in all_kinds()]
        self.fields["kind"].choices = [("", "All kinds"), *kinds]  # type: ignore[attr-defined]
        if not sees_all:
            del self.fields["owner"]


# What the address of the list may hold; `all` forgets the search.
_KNOWN = ("kind", "state", "owner", "since", "until", "sort", "page", "own", "all")


def left_out(user: Any, query: QueryDict) -> list[str]:
    """What stands in the address of the list and makes no sense, in words; it is not filtered by.

    The fields of the form tell by themselves what is wrong with theirs.
    """
    found = [f"“{name[:32]}” is no filter" for name in query if name not in _KNOWN]
    if query.get("sort", "") not in SORTS:
        found.append("the list has no such order")
    if "own" in query and query["own"] not in ("", "1"):
        found.append("“own” is 1 or not there")
    if not user.is_staff and query.get("owner"):
        found.append("only staff filters by owner")
    if query.get("page") and not (query["page"].isascii() and query["page"].isdecimal()):
        found.append("the page is no number")
    return found


@dataclass(frozen=True)
class JobChoices:
    """What the user chose to see. `own`: only his jobs. All but `search` stands in the address."""

    own: bool = True
    kind: str = ""
    state: str = ""
    owner: str = ""
    since: date | None = None
    until: date | None = None
    sort: str = ""
    page: str = "1"
    search: str = ""

    @classmethod
    def from_query(cls, user: Any, query: QueryDict, search: str = "") -> JobChoices:
        """What makes no sense counts as not chosen."""
        own = not user.is_staff or query.get("own") == "1"
        form = JobFilterForm(query, sees_all=not own)
        form.is_valid()
        known = {name: value for name, value in form.cleaned_data.items() if value}
        sort = query.get("sort", "")
        return cls(
            own=own,
            sort=sort if sort in SORTS else "",
            page=query.get("page", "1")[:10],
            search=search,
            **known,
        )

    @property
    def is_filtered(self) -> bool:
        return replace(self, own=True, sort="", page="1") != JobChoices()

    @property
    def query(self) -> str:
        """These choices, without the search, as the query of an address."""
        chosen = {name: getattr(self, name) for name in ("kind", "state", "owner", "since")}
        chosen |= {"until": self.until, "sort": self.sort, "page": self.page}
        chosen["own"] = "1" if self.own else ""
        return urlencode({name: value for name, value in chosen.items() if value})

    @property
    def live_query(self) -> str:
        """Likewise, with a mark of the search: the live parts of a page are those of its own."""
        return urlencode({"searched": mark_of(self.search)}) + f"&{self.query}"

    @property
    def address(self) -> str:
        url = reverse("core:job_list")
        return f"{url}?{self.query}" if self.query else url

    def sorted_by(self, name: str) -> JobChoices:
        """What a click on the head of a column leads to: its order, or then the other way round.
        Without a choice the newest jobs come first."""
        if name == "id":
            return replace(self, sort="" if self.sort else "id", page="1")
        return replace(self, sort=f"-{name}" if self.sort == name else name, page="1")

    def order_of(self, name: str) -> str:
        """`ascending`, `descending`, or empty where another column gives the order."""
        if self.sort == name:
            return "ascending"
        return "descending" if self.sort == ("" if name == "id" else f"-{name}") else ""


def find_jobs(user: Any, choices: JobChoices) -> Page:
    """One page of the jobs that the user may see, as chosen."""
    return Paginator(_chosen_jobs(user, choices), PAGE_SIZE).get_page(choices.page)


def _chosen_jobs(user: Any, choices: JobChoices) -> QuerySet[Any]:
    jobs = DicomJob.objects.visible_to(user).select_related("owner")
    if choices.own:
        jobs = jobs.filter(owner=user)
    if choices.kind:
        jobs = jobs.filter(kind=choices.kind)
    if choices.state == OPEN:
        jobs = jobs.exclude(state__in=DicomJob.ENDED)
    elif choices.state:
        jobs = jobs.filter(state=choices.state)
    if choices.owner:
        jobs = jobs.filter(owner__username__icontains=choices.owner)
    if choices.since:
        jobs = jobs.filter(created__gte=_midnight(choices.since))
    if choices.until and choices.until < date.max:
        jobs = jobs.filter(created__lt=_midnight(choices.until + timedelta(days=1)))
    if choices.search:
        jobs = jobs.filter(_matches(user, choices.search))
    return jobs.order_by(*SORTS[choices.sort])


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _matches(user: Any, text: str) -> Q:
    """Job number, message, trial; patient ID and pseudonym only as a whole, which is indexed. A
    patient ID behind a pseudonym finds only what the user may see."""
    matches = Q(message__icontains=text)
    if text.isascii() and text.isdecimal() and len(text) < 19:
        matches |= Q(pk=int(text))
    for kind in all_kinds():
        if issubclass(kind.job_model, TransferJob):
            trial = Q(trial_protocol_id__icontains=text) | Q(trial_protocol_name__icontains=text)
            jobs: Any = kind.job_model
            matches |= Q(pk__in=jobs.objects.filter(trial).values("pk"))
        if issubclass(kind.task_model, TransferTask):
            tasks: Any = kind.task_model
            named = tasks.objects.filter(Q(pseudonym=text) | Q(patient_id=text, pseudonym=""))
            behind = Q(pk__in=tasks.objects.filter(patient_id=text).values("job_id"))
            if not user.has_perm(IDENTIFIERS_PERMISSION):
                behind &= Q(owner=user)
            matches |= Q(pk__in=named.values("job_id")) | behind
    return matches

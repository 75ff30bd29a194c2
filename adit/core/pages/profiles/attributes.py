"""What a profile does to every attribute: as a page and as a table to download."""

from __future__ import annotations

import csv

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from adit.core.deid import AttributeRow, attribute_table
from adit.core.pages.profiles.access import readable_profile
from adit.core.pages.profiles.words import action_words

_COLUMNS = ("Tag", "Name", "Keyword", "VR", "Basic Profile", "Action", "Rule", "In words")


def find_rows(rows: list[AttributeRow], text: str, action: str) -> list[AttributeRow]:
    """Those rows in which all the words of `text` stand, with this action."""
    words = text.casefold().split()
    return [
        row
        for row in rows
        if (not action or str(row.action) == action)
        and all(
            word in f"{row.tag} {row.name} {row.keyword} {row.rule} {row.in_words}".casefold()
            for word in words
        )
    ]


@login_required
@require_GET
def profile_attributes(request: HttpRequest, profile_id: int) -> HttpResponse:
    """The table, filtered by text (`?search=`) and action (`?action=`)."""
    profile = readable_profile(request.user, profile_id)
    table = attribute_table(profile.to_profile())
    search, action = request.GET.get("search", "")[:64], request.GET.get("action", "")
    actions = sorted({str(row.action) for row in table})
    action = action if action in actions else ""
    found = find_rows(table, search, action)
    context = {
        "profile": profile,
        "rows": [(row, action_words(row.action)) for row in found],
        "total": len(table),
        "search": search,
        "action": action,
        "actions": [(one, action_words(one)) for one in actions],
    }
    return render(request, "core/profiles/attributes.html", context)


@login_required
@require_GET
def profile_attributes_csv(request: HttpRequest, profile_id: int) -> HttpResponse:
    """The whole table as CSV with a byte order mark, so that spreadsheets read it as UTF-8."""
    profile = readable_profile(request.user, profile_id)
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    name = f"attributes_{slugify(profile.name) or 'profile'}_v{profile.version}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    writer.writerow(_COLUMNS)
    for row in attribute_table(profile.to_profile()):
        cells = (
            row.tag,
            row.name,
            row.keyword,
            row.vr,
            row.basic,
            action_words(row.action),
            row.rule,
            row.in_words,
        )
        writer.writerow([as_text(cell) for cell in cells])
    return response


def as_text(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (what an own rule's author wrote is in it)."""
    return f"'{cell}" if cell.lstrip("\t\r\n ").startswith(("=", "+", "-", "@")) else cell

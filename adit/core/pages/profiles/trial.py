"""A profile is tried on a file that the user uploads. Nothing of the file is kept."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from adit.core.deid import Assignment, DeidentificationError, Preview, preview
from adit.core.dicom import DicomInstance, MalformedDataSet, NotPart10
from adit.core.dicom.part10 import parse_head
from adit.core.jobs.actions import action_done
from adit.core.models import DeidProfile
from adit.core.models.transfers import pseudonym_validator
from adit.core.pages.profiles.access import for_managers
from adit.core.pages.profiles.attributes import as_text
from adit.core.pages.profiles.shown_preview import ShownPreview, shown, shown_rows

_HEAD = 1 << 20


class TrialForm(forms.Form):
    """A DICOM file, and the pseudonym to see in it."""

    file = forms.FileField(
        label="DICOM file", widget=forms.ClearableFileInput(attrs={"class": "form-control"})
    )
    pseudonym = forms.CharField(
        max_length=64,
        initial="PREVIEW",
        validators=[pseudonym_validator],
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        limit = settings.PROFILE_TRIAL_MAX_MB
        if file.size > limit * 1024 * 1024:
            raise ValidationError(
                f"{file.name}: the file is larger than {limit} MB. Take a smaller one of its kind."
            )
        return file


@dataclass
class Trial:
    """What was tried and how it came out."""

    file_name: str
    instance: DicomInstance
    found: Preview

    @cached_property
    def preview(self) -> ShownPreview:
        return shown(self.found)


@for_managers
@never_cache
@require_http_methods(["GET", "POST"])
def profile_trial(request: HttpRequest, profile_id: int) -> HttpResponse:
    """GET: the form. POST: what the profile does to the uploaded file, attribute by attribute.

    As a page, or with `as=csv` as a file with every attribute of the largest objects.
    """
    profile = get_object_or_404(DeidProfile, pk=profile_id)
    posted = request.method == "POST"
    form = TrialForm(request.POST, request.FILES) if posted else TrialForm()
    trial, status = None, 200
    if posted:
        status = 422
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                trial = _try(profile, form.cleaned_data["pseudonym"], file.name, file.read())
                status = 200
            except ValueError as err:
                form.add_error("file", f"{file.name}: {err}")
    if trial is not None:
        action_done.send(
            TrialForm,
            user=request.user,
            action="preview",
            object=profile,
            outcome=f"{profile} tried on an uploaded file",
        )
        if request.POST.get("as") == "csv":
            return _comparison(profile, trial)
    context = {
        "profile": profile,
        "form": form,
        "trial": trial,
        "limit": settings.PROFILE_TRIAL_MAX_MB,
    }
    return render(request, "core/profiles/trial.html", context, status=status)


def _try(profile: DeidProfile, pseudonym: str, name: str, content: bytes) -> Trial:
    """De-identify the file in memory.

    Raises:
        ValueError: it is no DICOM file, or none that can be read; in words.
    """
    try:
        head = parse_head(content[:_HEAD])
        instance = DicomInstance(
            head.sop_class_uid,
            head.sop_instance_uid,
            head.transfer_syntax_uid,
            content[head.data_offset :],
        )
        instance.identifiers()
        found = preview(
            profile.to_profile(),
            Assignment(pseudonym=pseudonym),
            io.BytesIO(instance.read()),
            instance.transfer_syntax_uid,
        )
    except NotPart10 as err:
        raise ValueError(f"this is no DICOM file. {err}") from err
    except (DeidentificationError, MalformedDataSet) as err:
        raise ValueError(f"the file cannot be read. {err}") from err
    return Trial(name, instance, found)


_COLUMNS = ("path", "tag", "vr", "keyword", "name", "before", "after", "status", "action", "rule")


def _comparison(profile: DeidProfile, trial: Trial) -> HttpResponse:
    """All rows as CSV with a byte order mark, so that spreadsheets read it as UTF-8."""
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    name = f"comparison_{slugify(profile.name) or 'profile'}_v{profile.version}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    writer.writerow((*_COLUMNS, "finding"))
    for shown_row in shown_rows(trial.found):
        row = shown_row.row
        cells = (row.path, row.tag, row.vr, row.keyword, row.name, row.before, row.after)
        cells += (shown_row.status_words, shown_row.action_words, row.rule)
        writer.writerow([*map(as_text, cells), "yes" if shown_row.is_finding else ""])
    return response

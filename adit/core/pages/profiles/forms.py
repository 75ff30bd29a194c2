"""A version of a profile as a form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError

from adit.core.deid import A_DATE_THAT_STAYS, BurnedInPolicy, Option
from adit.core.jobs.actions.profiles import name_alike
from adit.core.models import DeidProfile
from adit.core.models.profiles import DEFAULT_PROFILE_OPTIONS
from adit.core.pages.profiles.part_forms import TABLES, PartFormSet, initial_rows
from adit.core.pages.profiles.words import BURNED_IN, OPTIONS

# PS3.5 6.2: CS.
_MODALITY = re.compile(r"[A-Z0-9_ ]{1,16}")


@dataclass(frozen=True)
class Choice:
    """A box to tick, with what it means."""

    value: str
    name: str
    meaning: str
    checked: bool
    id: str


def _check(label: str, help_text: str, **kwargs: Any) -> forms.BooleanField:
    widget = forms.CheckboxInput(attrs={"class": "form-check-input"})
    return forms.BooleanField(
        label=label, required=False, widget=widget, help_text=help_text, **kwargs
    )


def _line(label: str, length: int, help_text: str = "", required: bool = False) -> forms.CharField:
    widget = forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"})
    return forms.CharField(
        label=label, max_length=length, required=required, help_text=help_text, widget=widget
    )


class GroupsForm(forms.Form):
    """Who may use a version."""

    groups = forms.ModelMultipleChoiceField(
        label="Groups",
        queryset=Group.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        help_text="No group ticked: every group may use it.",
    )


class ProfileForm(GroupsForm):
    """Everything about a version but its tables. The secret is no field: it never leaves the
    server."""

    name = _line("Name", 64, required=True)
    note = _line("What is new, and why", 255, "Shown with the version.")
    options = forms.MultipleChoiceField(
        label="Options",
        required=False,
        choices=[(option.value, words.name) for option, words in OPTIONS.items()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "There is no option %(value)s."},
    )
    whole_weeks = _check(
        "Shift by whole weeks", "The day of the week stays. Counts where dates are shifted."
    )
    excluded_modalities = _line(
        "Excluded modalities",
        255,
        "Series of these stay behind. Presentation states (PR) and reports (SR) hold free text.",
    )
    burned_in = forms.ChoiceField(
        label="Burned-in annotations",
        choices=[(policy.value, words.name) for policy, words in BURNED_IN.items()],
        widget=forms.RadioSelect,
        initial=BurnedInPolicy.HOLD.value,
    )
    leak_gate = _check(
        "Leak gate",
        "After the de-identification a check of its own looks for the patient's name, ID, birth "
        "date and other identifiers, and holds what still has them. Leave it on.",
        initial=True,
    )
    fresh_secret = _check(
        "New secret: nothing can be linked to earlier transfers",
        "Without this the secret is carried over from the version before: a patient keeps his UIDs "
        "and his shift of dates, and later studies fit to earlier ones.",
    )

    def __init__(self, *args: Any, earlier: DeidProfile | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.earlier = earlier
        if earlier is None:
            del self.fields["fresh_secret"]
        else:
            self.fields["name"].disabled = True

    def option_choices(self) -> Iterator[Choice]:
        chosen = set(self["options"].value() or ())
        for option, words in OPTIONS.items():
            ident = f"id_options_{option.value}"
            yield Choice(option.value, words.name, words.meaning, option.value in chosen, ident)

    def burned_in_choices(self) -> Iterator[Choice]:
        chosen = self["burned_in"].value()
        for policy, words in BURNED_IN.items():
            ident = f"id_burned_in_{policy.value}"
            yield Choice(policy.value, words.name, words.meaning, policy.value == chosen, ident)

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if self.earlier is not None:
            return self.earlier.name
        if any(not character.isprintable() or character == "\\" for character in name):
            raise ValidationError("A name has no backslash and no control characters.")
        if DeidProfile.objects.filter(name__iexact=name).exists():
            raise ValidationError("There is such a profile: edit it to make a new version.")
        if alike := name_alike(name):
            raise ValidationError(f"There is a profile {alike}, whose name looks the same.")
        return name

    def clean_options(self) -> list[str]:
        options = self.cleaned_data["options"]
        if {
            Option.RETAIN_LONGITUDINAL_FULL_DATES,
            Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,
        } <= set(options):
            raise ValidationError("Dates are either kept or shifted: untick one of the two.")
        return options

    def clean_excluded_modalities(self) -> list[str]:
        codes = re.split(r"[,;\\/\s]+", self.cleaned_data["excluded_modalities"].upper())
        codes = sorted({code for code in codes if code})
        if wrong := [code for code in codes if not _MODALITY.fullmatch(code)]:
            raise ValidationError(f"This is no modality: {wrong[0]}. Write codes, as in PR, SR.")
        return codes


class ProfileDraft:
    """The form of a version with its tables."""

    def __init__(self, data: Any = None, *, earlier: DeidProfile | None = None) -> None:
        self.earlier = earlier
        self.form = ProfileForm(data, earlier=earlier, initial=_initial(earlier))
        # What was posted stands for itself: a row is not held against what it was before.
        stored = earlier if data is None else None
        self.tables: dict[str, PartFormSet] = {
            name: table(
                data,
                prefix=name,
                initial=initial_rows(name, getattr(stored, name)) if stored else [],
            )
            for name, table in TABLES.items()
        }

    def is_valid(self) -> bool:
        valid = [self.form.is_valid(), *(table.is_valid() for table in self.tables.values())]
        if all(valid):
            self._check_rules()
        return all(valid) and not self.form.errors

    def _check_rules(self) -> None:
        seen = set()
        shifted = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in self.form.cleaned_data["options"]
        for form in self.tables["own_rules"].forms:
            if not hasattr(form, "part") or form.cleaned_data.get("DELETE"):
                continue
            if shifted and form.part.keeps_a_date:
                form.add_error("action", A_DATE_THAT_STAYS)
                self.form.add_error(None, "An own rule keeps a date while dates are shifted.")
            place = form.part.place
            if place in seen:
                form.add_error("tag", "There is a rule for this attribute already.")
                self.form.add_error(None, "Two own rules are about the same attribute.")
            seen.add(place)

    @property
    def sections(self) -> list[tuple[str, str, str, str, PartFormSet]]:
        """The tables with their names, titles and explanations."""
        return [(name, *texts, self.tables[name]) for name, texts in _SECTIONS.items()]

    @property
    def number_of_errors(self) -> int:
        tables = sum(
            len(form.errors)
            for table in self.tables.values()
            for form in table.forms
            if form.errors
        )
        return len(self.form.errors) + tables

    def policy(self) -> dict[str, Any]:
        """What the version does; the draft is valid."""
        data = self.form.cleaned_data
        names = ("options", "whole_weeks", "excluded_modalities", "burned_in", "leak_gate")
        return {
            **{name: data[name] for name in names},
            **{name: table.parts() for name, table in self.tables.items()},
        }


_SECTIONS = {
    "own_rules": (
        "Own rules",
        "They win over the standard's table and the options, at all levels. The leak gate still "
        "holds what identifies the patient. Each needs a reason.",
        "rule",
    ),
    "safe_private": (
        "Safe private elements",
        "Private elements that stay under “Keep safe private elements”, beside the standard's "
        "list. Group and element (its last two digits) in hexadecimal digits.",
        "element",
    ),
    "device_regions": (
        "Device regions",
        "Boxes that are blanked under “Blank known regions of the image”, where manufacturer, "
        "model (* stands for anything) and image size fit. In pixels, from the upper left corner; "
        "x1 and y1 are not part of the box.",
        "region",
    ),
}


def with_one_more_row(data: Any, table: str) -> Any:
    """What was posted, with an empty row at the end of a table: for browsers without scripts."""
    more = data.copy()
    if table in TABLES:
        name = f"{table}-TOTAL_FORMS"
        text = data.get(name, "0")
        more[name] = str(int(text) + 1) if text.isascii() and text.isdecimal() else "1"
    return more


def _initial(earlier: DeidProfile | None) -> dict[str, Any]:
    if earlier is None:
        return {
            "options": [option.value for option in DEFAULT_PROFILE_OPTIONS],
            "excluded_modalities": "PR, SR",
            "burned_in": BurnedInPolicy.HOLD.value,
            "leak_gate": True,
        }
    return {
        "name": earlier.name,
        "options": earlier.options,
        "whole_weeks": earlier.whole_weeks,
        "excluded_modalities": ", ".join(earlier.excluded_modalities),
        "burned_in": earlier.burned_in,
        "leak_gate": earlier.leak_gate,
        "groups": list(earlier.groups.values_list("pk", flat=True)),
    }

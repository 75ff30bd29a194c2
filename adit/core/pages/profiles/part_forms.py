"""The tables of a profile: own rules, safe private elements, device regions, a form a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.forms import BaseFormSet, formset_factory

from adit.core.deid import DeviceRegion, OwnRule, SafePrivate
from adit.core.pages.profiles.words import RULE_ACTIONS

_MOST_ROWS = 500


def _text(label: str, length: int, hint: str = "", required: bool = False) -> forms.CharField:
    attrs = {"class": "form-control", "autocomplete": "off", "placeholder": hint}
    widget = forms.TextInput(attrs=attrs)
    return forms.CharField(label=label, max_length=length, required=required, widget=widget)


class PartForm(forms.Form):
    """A row. What it says is checked by the class of the engine that it stands for, whose errors
    begin with the name of the bad field."""

    kind: ClassVar[Any]

    def as_json(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The row as `kind` reads it.

        Raises:
            ValueError: One sentence that names the bad field.
        """
        return {name: data[name] for name in self.fields if name in data}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        try:
            self.part = self.kind.from_json(self.as_json(data))
        except ValueError as err:
            name, _, sentence = str(err).partition(": ")
            known = name in self.fields and sentence
            text = sentence if known else str(err)
            self.add_error(name if known else None, text[:1].upper() + text[1:])
        return data


class OwnRuleForm(PartForm):
    kind = OwnRule

    tag = _text("Tag or keyword", 64, "00104000 or PatientComments", required=True)
    private_creator = _text("Private creator", 64, "for private tags")
    vr = _text("VR", 2, "for private tags")
    action = forms.ChoiceField(
        label="Action",
        choices=[(action.value, words) for action, words in RULE_ACTIONS.items()],
        initial=next(iter(RULE_ACTIONS)).value,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    value = _text("Value", 1024, "with Replace only")
    reason = _text("Reason", 255, "Why this rule?", required=True)


class SafePrivateForm(PartForm):
    kind = SafePrivate

    creator = _text("Private creator", 64, "SIEMENS MR HEADER", required=True)
    group = _text("Group", 6, "0019", required=True)
    element = _text("Element", 6, "0C", required=True)
    vr = _text("VR", 2, "IS", required=True)
    note = _text("Meaning", 255, "B value")

    def as_json(self, data: Mapping[str, Any]) -> dict[str, Any]:
        numbers = {name: _hexadecimal(name, data[name]) for name in ("group", "element")}
        return {**data, **numbers, "vr": data["vr"].upper()}


class DeviceRegionForm(PartForm):
    kind = DeviceRegion

    manufacturer = _text("Manufacturer", 64, "GE*", required=True)
    model = _text("Model", 64, "LOGIQ*", required=True)
    modality = _text("Modality", 16, "US")
    rows = forms.IntegerField(
        label="Rows", widget=forms.NumberInput(attrs={"class": "form-control", "min": 1})
    )
    columns = forms.IntegerField(
        label="Columns", widget=forms.NumberInput(attrs={"class": "form-control", "min": 1})
    )
    boxes = _text("Boxes: x0, y0, x1, y1; …", 1024, "0, 0, 1024, 60; 0, 700, 200, 768", True)

    def as_json(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {**data, "boxes": _boxes(data["boxes"]), "modality": data["modality"].upper()}


def _hexadecimal(name: str, text: str) -> int:
    try:
        return int(text.lower().removeprefix("0x"), 16)
    except ValueError:
        raise ValueError(f"{name}: hexadecimal digits, as in tags.") from None


def _boxes(text: str) -> list[list[int]]:
    boxes = []
    for one in filter(None, (part.strip() for part in text.split(";"))):
        numbers = re.split(r"[\s,]+", one.strip(" ,()[]"))
        if len(numbers) != 4 or not all(n.isascii() and n.isdecimal() for n in numbers):
            raise ValueError(
                "boxes: each box is four numbers, x0, y0, x1, y1, apart by semicolons."
            )
        boxes.append([int(number) for number in numbers])
    return boxes


class PartFormSet(BaseFormSet):
    """The rows of one table. Empty rows are left out, rows marked as deleted too."""

    def parts(self) -> list[dict[str, Any]]:
        """The valid rows as the model stores them."""
        return [
            form.part.to_json()
            for form in self.forms
            if hasattr(form, "part") and not form.cleaned_data.get("DELETE")
        ]


def _table(form: type[PartForm]) -> Any:
    return formset_factory(
        form,
        formset=PartFormSet,
        extra=0,
        can_delete=True,
        max_num=_MOST_ROWS,
        validate_max=True,
        absolute_max=_MOST_ROWS + 100,
    )


TABLES: dict[str, Any] = {
    "own_rules": _table(OwnRuleForm),
    "safe_private": _table(SafePrivateForm),
    "device_regions": _table(DeviceRegionForm),
}


def initial_rows(name: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stored entries of a table as its forms show them."""
    if name == "safe_private":
        return [
            {**entry, "group": f"{entry['group']:04X}", "element": f"{entry['element']:02X}"}
            for entry in entries
        ]
    if name == "device_regions":
        return [
            {**entry, "boxes": "; ".join(", ".join(map(str, box)) for box in entry["boxes"])}
            for entry in entries
        ]
    return entries

"""What users search for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from adit.accounts.models import User
from adit.core.dicom import DateRange, Query
from adit.core.models import DicomNode

MODALITIES = (
    *("CT", "MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "ES", "SM"),
    *("RTSTRUCT", "RTDOSE", "RTPLAN", "SEG", "DOC", "OT"),
)

# A backslash would make a list of values (PS3.5 6.4).
_search_text = RegexValidator(
    r"^[^\\\x00-\x1f\x7f]*$", "Backslashes and control characters are not allowed."
)


def sources_for(user: User) -> Any:
    """The servers that the user's active group may read from."""
    return DicomNode.objects.sources_of(user).filter(kind=DicomNode.Kind.SERVER)


def _text(label: str, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=False,
        max_length=64,
        validators=[_search_text],
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )


def _date(label: str) -> forms.DateField:
    # Browsers send ISO dates, whatever they show.
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": "Write the date as YYYY-MM-DD."},
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"class": "form-control", "type": "date"}),
    )


class SearchForm(forms.Form):
    """The search; at least one criterion beside the source is needed."""

    source = forms.ModelChoiceField(
        queryset=DicomNode.objects.none(),
        empty_label=None,
        widget=forms.Select(attrs={"class": "form-select"}),
        error_messages={"invalid_choice": "Your active group may not read from this source."},
    )
    patient_id = _text("Patient ID")
    patient_name = _text("Patient name", "Last, First; * stands for any letters")
    birth_date = _date("Birth date")
    study_date_from = _date("Study date from")
    study_date_until = _date("Study date until")
    modalities = forms.MultipleChoiceField(
        choices=[(modality, modality) for modality in MODALITIES],
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    accession_number = _text("Accession number")
    study_description = _text("Study description")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source: Any = self.fields["source"]
        source.queryset = sources_for(user)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        criteria = [value for name, value in data.items() if name != "source"]
        if not any(value.strip("*?,^ ") if isinstance(value, str) else value for value in criteria):
            raise forms.ValidationError(
                "Give at least one criterion, a patient ID or a date for example."
            )
        start, end = data.get("study_date_from"), data.get("study_date_until")
        if start and end and start > end:
            self.add_error("study_date_until", "This is before the date from which to search.")
        return data

    def query(self) -> Query:
        """The search as the DICOM layer takes it. The form must be valid."""
        data = self.cleaned_data
        start, end = data["study_date_from"], data["study_date_until"]
        return Query(
            patient_id=data["patient_id"],
            patient_name=_name(data["patient_name"]),
            patient_birth_date=data["birth_date"],
            study_date=DateRange(start, end) if start or end else None,
            modalities=tuple(data["modalities"]),
            accession_number=data["accession_number"],
            study_description=_anywhere(data["study_description"]),
        )


def _name(text: str) -> str:
    """A last name alone finds all who have it; `Last, First` is the DICOM layer's business."""
    is_plain = text and not any(sign in text for sign in ",^*?")
    return f"{text}*" if is_plain else text


def _anywhere(text: str) -> str:
    """Words of a description are found wherever they stand in it."""
    return f"*{text}*" if text and not any(sign in text for sign in "*?") else text

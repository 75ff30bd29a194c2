"""Studies that scripts name by their identifiers, looked up at the source."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from adit.accounts.models import User
from adit.core.dicom import CancelToken, DicomError, DicomOperator, Query
from adit.core.models import DicomNode, DicomServer
from adit.core.transfer.association_slots import AssociationSlots
from adit.core.transfer.processor import local_config
from adit.selective_transfer.basket import Basket
from adit.selective_transfer.choice_fields import NamedChoiceField
from adit.selective_transfer.search_form import sources_for
from adit.selective_transfer.studies import ChosenSeries, ChosenStudy, series_at, study_at

# PS3.5 9.1
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class NotHeld(Exception):
    """The source does not hold what was asked for."""


class _UidListField(forms.Field):
    """UIDs in one value or several, apart by commas or blanks."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        uids = re.split(r"[\s,\\]+", " ".join(value or []))
        return list(dict.fromkeys(uid for uid in uids if uid))

    def validate(self, value: list[str]) -> None:
        super().validate(value)
        if any(len(uid) > 64 or not _UID.fullmatch(uid) for uid in value):
            raise ValidationError("These are no UIDs.")


class LookupForm(forms.Form):
    """One study, or some series of it, by identifiers."""

    source = NamedChoiceField(
        queryset=DicomNode.objects.none(),
        error_messages={"invalid_choice": "Your active group may not read from this source."},
    )
    patient_id = forms.CharField(label="Patient ID", max_length=64)
    study_instance_uid = forms.CharField(label="Study instance UID", max_length=64)
    series_instance_uids = _UidListField(label="Series instance UIDs", required=False)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source: Any = self.fields["source"]
        source.queryset = sources_for(user)

    def clean_patient_id(self) -> str:
        return _exact(self.cleaned_data["patient_id"])

    def clean_study_instance_uid(self) -> str:
        uid = self.cleaned_data["study_instance_uid"]
        if not _UID.fullmatch(uid):
            raise ValidationError("This is no UID.")
        return uid

    def look_up(self) -> Basket:
        """A basket with the study as the source knows it, or with why there is none."""
        if not self.is_valid():
            lines = [
                f"{self.fields[name].label or name.capitalize()}: {' '.join(map(str, errors))}"
                for name, errors in self.errors.items()
            ]
            return Basket([], lines)
        data = self.cleaned_data
        server = DicomServer.objects.get(pk=data["source"].pk)
        query = Query(patient_id=data["patient_id"], study_instance_uid=data["study_instance_uid"])
        try:
            with (
                AssociationSlots.on_demand(server.pk, server.name, CancelToken()) as slots,
                DicomOperator(server.to_config(), local_config(slots)) as operator,
            ):
                study = _find(operator, server, query, data["series_instance_uids"])
        except (DicomError, NotHeld) as err:
            return Basket([], [str(err)])
        return Basket([study])


def _exact(text: str) -> str:
    if re.search(r"[\\*?]", text):
        raise ValidationError("Wildcards and backslashes are not allowed here.")
    return text


def _find(
    operator: DicomOperator, server: DicomServer, query: Query, series_uids: list[str]
) -> ChosenStudy:
    found = next(operator.find_studies(query, limit=1), None)
    if found is None:
        raise NotHeld(f"{server.name} holds no such study of this patient.")
    study = study_at(server.pk, server.name, found)
    if not series_uids:
        return study
    held: dict[str, ChosenSeries] = {
        one.series_instance_uid: series_at(study, one) for one in operator.find_series(query)
    }
    if not held.keys() >= set(series_uids):
        raise NotHeld(f"{server.name} holds no such series of this study.")
    return replace(study, chosen_series=tuple(held[uid] for uid in series_uids))

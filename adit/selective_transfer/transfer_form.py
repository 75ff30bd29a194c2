"""How the studies of a basket are to be transferred."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from adit.accounts.models import User
from adit.core.jobs.actions import may_hurry
from adit.core.models import DeidProfile, DicomNode
from adit.core.models.profiles import DEFAULT_PROFILE_NAME
from adit.core.models.transfers import pseudonym_validator, text_validator
from adit.selective_transfer import folder_options, pseudonyms, rights
from adit.selective_transfer.basket import Basket
from adit.selective_transfer.choice_fields import NamedChoiceField

# The name of the only patient's pseudonym in requests of scripts.
PLAIN_PSEUDONYM = "pseudonym"


def _text(label: str, **kwargs: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        **kwargs,
    )


def _check(label: str) -> forms.BooleanField:
    widget = forms.CheckboxInput(attrs={"class": "form-check-input"})
    return forms.BooleanField(label=label, required=False, widget=widget)


class TransferForm(forms.Form):
    """Destination, pseudonyms, profile and the rest, for the studies of one basket.

    There is one field per patient, `pseudonym-<key of the patient>`; for the only patient of a
    basket `pseudonym` is understood as well. A draft may still lack pseudonyms and studies.
    """

    destination = NamedChoiceField(
        queryset=DicomNode.objects.none(),
        empty_label=None,
        error_messages={"invalid_choice": "Your active group may not write to this destination."},
    )
    profile = NamedChoiceField(
        queryset=DeidProfile.objects.none(),
        empty_label=None,
        required=False,
        error_messages={"invalid_choice": "Your active group may not use this profile."},
    )
    trial_protocol_id = _text("Trial ID", validators=[text_validator])
    trial_protocol_name = _text("Trial name", validators=[text_validator])
    urgent = _check("Urgent: before other jobs")
    send_finished_mail = _check("Mail when finished")

    def __init__(
        self, user: User, basket: Basket, *args: Any, draft: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, auto_id="transfer_%s", **kwargs)
        self.user = user
        self.basket = basket
        self.draft = draft
        self.pseudonym_required = not user.has_perm(rights.UNPSEUDONYMIZED)
        destination: Any = self.fields["destination"]
        destination.queryset = DicomNode.objects.destinations_of(user)
        profile: Any = self.fields["profile"]
        profile.queryset = DeidProfile.objects.usable_by(user)
        profile.label_from_instance = lambda one: f"{one.name} (v{one.version})"
        profile.initial = default_profile(user)
        # The last choice may have a newer version by now, or be retired.
        if not profile.queryset.filter(pk=_number(self.initial.get("profile"))).exists():
            self.initial.pop("profile", None)
            if profile.initial is None:  # else the browser would choose the first one
                profile.empty_label = "Choose a profile"
        if not may_hurry(user):
            del self.fields["urgent"]
        folder_options.add_fields(self)
        self._add_pseudonyms()

    def _add_pseudonyms(self) -> None:
        patients = self.basket.patients
        single = len(patients) == 1
        for patient in patients:
            label = "Pseudonym" if single else f"Pseudonym for {patient.words}"
            field = _text(label, validators=[pseudonym_validator])
            self.fields[self.name_of(patient.key)] = field
        if single and PLAIN_PSEUDONYM in self.data:
            name = self.name_of(patients[0].key)
            self.data = {**self.data.dict(), name: self.data[PLAIN_PSEUDONYM]}  # type: ignore[union-attr]

    @staticmethod
    def name_of(patient_key: str) -> str:
        """The name of the field for a patient's pseudonym."""
        return f"pseudonym-{patient_key}"

    @property
    def pseudonym_rows(self) -> list[tuple[Any, forms.BoundField]]:
        """Each patient with his field."""
        return [(patient, self[self.name_of(patient.key)]) for patient in self.basket.patients]

    @property
    def pseudonyms(self) -> dict[str, str]:
        """What was typed, by the patient's key, as far as it is valid."""
        cleaned = getattr(self, "cleaned_data", {})
        return {
            patient.key: cleaned.get(self.name_of(patient.key), "")
            for patient in self.basket.patients
        }

    @property
    def profile_used(self) -> DeidProfile | None:
        """The profile, where there are pseudonyms."""
        return self.cleaned_data.get("profile") if any(self.pseudonyms.values()) else None

    @property
    def folder_ids(self) -> list[int]:
        """The destinations that take an archive or NIfTI files."""
        return folder_options.folder_ids(self)

    def outcome(self) -> str:
        """What will come; the form must have been validated."""
        return folder_options.outcome(self)

    def warnings(self) -> list[str]:
        """What the user should know before; the form must have been validated."""
        return pseudonyms.warnings(self.user, self.basket, self.pseudonyms, self.profile_used)

    def clean_profile(self) -> DeidProfile | None:
        """Who does not post the field gets the default."""
        if "profile" not in self.data:
            return default_profile(self.user)
        return self.cleaned_data["profile"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for text in self.basket.refused:
            self.add_error(None, text)
        if not self.basket.studies and not self.basket.refused and not self.draft:
            self.add_error(None, "The basket is empty: search for studies and tick them.")
        if text := too_many(self.user, len(self.basket)):
            self.add_error(None, text)
        self._check_pseudonyms()
        folder_options.check(self, data)
        if any(self.pseudonyms.values()) and not data.get("profile") and "profile" in data:
            self.add_error("profile", self._lack_of_a_profile())
        return data

    def _lack_of_a_profile(self) -> str:
        if "profile" in self.data:
            return "Choose a profile: it says how to pseudonymise."
        return (
            f"No profile is named, and your active group may not use the default one, "
            f'"{DEFAULT_PROFILE_NAME}". Name one in the field "profile".'
        )

    def _check_pseudonyms(self) -> None:
        wrong = {name for name in self.errors if name.startswith("pseudonym-")}
        patients = [p for p in self.basket.patients if self.name_of(p.key) not in wrong]
        if self.draft:
            patients = [p for p in patients if self.pseudonyms[p.key]]
        found = pseudonyms.refusals(patients, self.pseudonyms, required=self.pseudonym_required)
        for key, text in found.items():
            self.add_error(self.name_of(key) if key else None, text)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def too_many(user: User, studies: int) -> str:
    """Why a basket of so many studies is refused, or ""."""
    most = settings.SELECTIVE_TRANSFER_MAX_STUDIES
    if user.is_staff or studies <= most:
        return ""
    return f"A selective transfer takes {most} studies at most, and the basket holds {studies}."


def default_profile(user: User) -> DeidProfile | None:
    """The default profile; `None`, and never another one, where the user may not use it."""
    return DeidProfile.objects.usable_by(user).filter(name=DEFAULT_PROFILE_NAME).first()

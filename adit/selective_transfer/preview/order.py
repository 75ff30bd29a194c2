"""What a user may see before a transfer, checked as the transfer itself is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import QueryDict

from adit.accounts.models import User
from adit.core.deid import Assignment
from adit.core.jobs.actions import action_done
from adit.core.models import DeidProfile, DicomServer
from adit.selective_transfer import rights
from adit.selective_transfer.basket import Basket, read_basket
from adit.selective_transfer.preview.samples import StudyToSample
from adit.selective_transfer.search_form import sources_for
from adit.selective_transfer.transfer_form import TransferForm


class CannotPreview(Exception):
    """What the form holds gives no preview; the message says why, a sentence a line."""


@dataclass(frozen=True)
class PreviewOrder:
    """The studies to take samples of, and the profile to show."""

    profile: DeidProfile
    studies: list[StudyToSample]
    notes: list[str]


def make_order(user: User, fields: QueryDict) -> PreviewOrder:
    """What the posted form asks for; its start enters the audit log.

    Raises:
        PermissionDenied: the user may not transfer, or not from one of the sources.
        CannotPreview: the form is not complete, or nothing would be changed.
    """
    rights.check_may_search(user)
    basket = read_basket(user.pk, fields.getlist("study"), fields.getlist("series"))
    form = TransferForm(user, basket, fields)
    if not form.is_valid():
        raise CannotPreview("\n".join(_errors(form)))
    profile = form.profile_used
    if profile is None:
        raise CannotPreview(
            "Without a pseudonym nothing is changed on the way: there is nothing to preview."
        )
    sources = check_sources(user, basket)
    data, pseudonyms = form.cleaned_data, form.pseudonyms
    studies = [
        StudyToSample(
            number=number,
            server=sources[study.source_id],
            patient_id=study.patient_id,
            study_instance_uid=study.study_instance_uid,
            series_instance_uids=frozenset(s.series_instance_uid for s in study.chosen_series),
            assignment=Assignment(
                pseudonym=pseudonyms[study.patient_key],
                trial_protocol_id=data["trial_protocol_id"],
                trial_protocol_name=data["trial_protocol_name"],
            ),
        )
        for number, study in enumerate(basket.studies, start=1)
        if pseudonyms[study.patient_key]
    ]
    names = ", ".join(sorted({study.server.name for study in studies}))
    with transaction.atomic():
        outcome = f"{len(studies)} studies at {names} under {profile}"
        action_done.send(
            PreviewOrder, user=user, action="preview", object=profile, outcome=outcome[:255]
        )
    return PreviewOrder(profile, studies, form.warnings())


def check_sources(user: User, basket: Basket) -> dict[int, DicomServer]:
    """The servers of the basket.

    Raises:
        PermissionDenied: the user's active group may not read from one of them.
    """
    wanted = {study.source_id for study in basket.studies}
    allowed = set(sources_for(user).filter(pk__in=wanted).values_list("pk", flat=True))
    if wanted - allowed:
        raise PermissionDenied("Your active group may not read from this source.")
    return {server.pk: server for server in DicomServer.objects.filter(pk__in=wanted)}


def check_may_still(user: User, order: PreviewOrder) -> None:
    """Raises PermissionDenied where a right was withdrawn meanwhile."""
    rights.check_may_search(user)
    if not DeidProfile.objects.usable_by(user).filter(pk=order.profile.pk).exists():
        raise PermissionDenied("Your active group may not use this profile any more.")
    wanted: Any = {study.server.pk for study in order.studies}
    if sources_for(user).filter(pk__in=wanted).count() < len(wanted):
        raise PermissionDenied("Your active group may not read from this source any more.")


def _errors(form: TransferForm) -> list[str]:
    lines = []
    for name, errors in form.errors.items():
        label = form.fields[name].label or name.capitalize() if name in form.fields else ""
        lines += [f"{label}: {error}" if label else str(error) for error in errors]
    return lines

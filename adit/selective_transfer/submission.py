"""From the form to the job."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings

from adit.accounts.preferences import write_preferences
from adit.core.jobs.actions import create_job
from adit.core.jobs.registry import get_kind
from adit.core.models import DicomJob
from adit.selective_transfer import preferences
from adit.selective_transfer.folder_options import FLAGS, password_of
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask
from adit.selective_transfer.studies import ChosenStudy
from adit.selective_transfer.transfer_form import TransferForm


class Unusable(Exception):
    """A source gave values that no task can carry; the message says which."""


@dataclass(frozen=True)
class Submitted:
    """What was created. `password` is that of its archive; it is kept nowhere else in clear."""

    job: DicomJob
    password: str = field(default="", repr=False)


def submit(form: TransferForm) -> Submitted:
    """Create the job of a valid form: one task per study.

    Raises:
        InvalidJob: the destination cannot take what is asked for.
        PermissionDenied: a right was withdrawn.
        Unusable: a study cannot be asked for by its identifiers.
    """
    data = form.cleaned_data
    profile = form.profile_used
    job = SelectiveTransferJob(
        profile=profile,
        trial_protocol_id=data["trial_protocol_id"] if profile else "",
        trial_protocol_name=data["trial_protocol_name"] if profile else "",
        urgent=data.get("urgent", False),
        send_finished_mail=data["send_finished_mail"],
        convert_to_nifti=data["convert_to_nifti"],
    )
    tasks = [_task(form, study) for study in form.basket.studies]
    password = password_of(form)
    created = create_job(
        form.user,
        get_kind("selective_transfer"),
        job,
        tasks,
        verified=not settings.SELECTIVE_TRANSFER_UNVERIFIED,
        archive_password=password,
    )
    _remember(form)
    return Submitted(created, password)


def _task(form: TransferForm, study: ChosenStudy) -> SelectiveTransferTask:
    if len(study.patient_id) > 64 or len(study.study_instance_uid) > 64:
        raise Unusable(
            f"{study.source_name} names a study by identifiers longer than the 64 characters that "
            "DICOM allows, so it cannot be asked for."
        )
    return SelectiveTransferTask(
        source_id=study.source_id,
        destination=form.cleaned_data["destination"],
        patient_id=study.patient_id,
        study_instance_uid=study.study_instance_uid,
        series_instance_uids=[one.series_instance_uid for one in study.chosen_series],
        pseudonym=form.pseudonyms[study.patient_key],
        study_date=study.study_date,
        study_description=study.description[:64],
        modalities=list(study.modalities),
    )


def _remember(form: TransferForm) -> None:
    data = form.cleaned_data
    choices = {
        "destination": data["destination"].pk,
        "send_finished_mail": data["send_finished_mail"],
        **{flag: data[flag] for flag in FLAGS},
    }
    if "urgent" in data:
        choices["urgent"] = data["urgent"]
    if data.get("profile"):
        choices["profile"] = data["profile"].pk
    write_preferences(form.user, preferences.FORM, preferences.KEYS, choices)

"""What the form offers for folders only: one archive with a password, NIfTI instead of DICOM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from adit.core.jobs.actions import new_password, password_fault
from adit.core.models import DicomNode
from adit.core.models.nodes import DicomFolder

if TYPE_CHECKING:
    from adit.selective_transfer.transfer_form import TransferForm

FLAGS = ("archive", "convert_to_nifti")


def _check(label: str, help_text: str) -> forms.BooleanField:
    widget = forms.CheckboxInput(attrs={"class": "form-check-input"})
    return forms.BooleanField(label=label, required=False, widget=widget, help_text=help_text)


def add_fields(form: TransferForm) -> None:
    """Add the fields; the page hides them where a server is chosen."""
    form.fields["archive"] = _check(
        "One archive with a password", "All studies in one 7z file, encrypted by AES-256."
    )
    form.fields["archive_password"] = forms.CharField(
        label="Password of the archive",
        required=False,
        strip=False,
        # Never sent back to the page.
        widget=forms.PasswordInput(
            attrs={"class": "form-control", "autocomplete": "new-password"}, render_value=False
        ),
        help_text="Empty: a strong one is made. It is shown once, after the job is created.",
    )
    form.fields["convert_to_nifti"] = _check(
        "NIfTI instead of DICOM", "Each series as .nii.gz with its sidecar."
    )


def folder_ids(form: TransferForm) -> list[int]:
    """The destinations for which the options make sense."""
    nodes = DicomNode.objects.destinations_of(form.user).filter(kind=DicomNode.Kind.FOLDER)
    return list(nodes.values_list("pk", flat=True))


def check(form: TransferForm, data: dict[str, Any]) -> None:
    """Refuse the options where the destination is a server, and weak passwords."""
    destination = data.get("destination")
    is_folder = destination is not None and destination.kind == DicomNode.Kind.FOLDER
    if destination is not None and not is_folder:
        if data.get("archive"):
            form.add_error("archive", "An archive can only be written to a folder.")
        if data.get("convert_to_nifti"):
            form.add_error("convert_to_nifti", "NIfTI files can only be written to a folder.")
    password = data.get("archive_password", "")
    if data.get("archive") and password and (fault := password_fault(password)):
        form.add_error("archive_password", fault)


def password_of(form: TransferForm) -> str:
    """The password that was typed, a new one, or "" where there is no archive."""
    data = form.cleaned_data
    if not data.get("archive"):
        return ""
    return data.get("archive_password") or new_password()


def outcome(form: TransferForm) -> str:
    """What will come, in words for the totals of the basket."""
    data = getattr(form, "cleaned_data", {})
    destination = data.get("destination")
    if destination is None or not form.basket.studies or destination.kind != DicomNode.Kind.FOLDER:
        return ""
    studies = len(form.basket)
    noun = "study" if studies == 1 else "studies"
    files = "NIfTI files" if data.get("convert_to_nifti") else "DICOM files"
    if data.get("archive"):
        text = f"One encrypted 7z archive with the {files} of {studies} {noun}"
    else:
        folders = "a folder" if studies == 1 else f"{studies} folders"
        text = f"{files} of {studies} {noun} in {folders} of their own"
        text = text.replace("folder of their own", "folder of its own")
    text += f" at {destination}."
    if data.get("convert_to_nifti"):
        text += " Series without pixels (SR, KO, PR and others) stay behind."
    folder = DicomFolder.objects.filter(pk=destination.pk, quota__isnull=False).first()
    if folder is not None and folder.quota is not None:
        left = max(0, folder.quota - folder.used_bytes) / 1e9
        text += f" {left:.1f} GB of its quota are left."
    return text

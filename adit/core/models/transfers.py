"""The columns of every kind of transfer, as abstract extensions of jobs and tasks."""

from django.core.validators import RegexValidator
from django.db import models

from adit.core.models.jobs import DicomJob
from adit.core.models.nodes import DicomNode
from adit.core.models.profiles import DeidProfile
from adit.core.models.tasks import DicomTask

# PS3.5 6.2: LO holds no backslash and no control characters; a pseudonym is to be found again, so
# it holds no wildcards and no component separators either.
text_validator = RegexValidator(
    r"^[^\\\x00-\x1f\x7f]*$", "Backslashes and control characters are not allowed."
)
# Invisible characters (soft hyphen, zero width, direction marks) make equal-looking names differ.
pseudonym_validator = RegexValidator(
    r"^[^\\^=*?\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$",
    "A pseudonym must not contain invisible characters or any of the characters \\ ^ = * ?",
)


class TransferJob(DicomJob):
    """A job that moves instances. Without a profile nothing is changed on the way."""

    profile = models.ForeignKey(
        DeidProfile, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    trial_protocol_id = models.CharField(
        "trial ID", max_length=64, blank=True, validators=[text_validator]
    )
    trial_protocol_name = models.CharField(
        "trial name", max_length=64, blank=True, validators=[text_validator]
    )

    convert_to_nifti = models.BooleanField("convert to NIfTI", default=False)

    class Meta:
        abstract = True


class TransferTask(DicomTask):
    """One study, or some of its series, from a server to a node."""

    destination = models.ForeignKey(DicomNode, on_delete=models.PROTECT, related_name="+")
    patient_id = models.CharField("patient ID", max_length=64, validators=[text_validator])
    study_instance_uid = models.CharField("study instance UID", max_length=64)
    series_instance_uids = models.JSONField(
        "series instance UIDs", default=list, blank=True, help_text="Empty: the whole study."
    )
    pseudonym = models.CharField(max_length=64, blank=True, validators=[pseudonym_validator])
    study_date = models.DateField(null=True, blank=True)
    study_description = models.CharField(max_length=64, blank=True)
    modalities = models.JSONField(default=list, blank=True)
    # Where a folder destination put the study, relative to it.
    destination_path = models.CharField(max_length=1024, blank=True, editable=False)
    proof = models.CharField(max_length=255, blank=True, editable=False)

    class Meta:
        abstract = True
        constraints = [
            # A place in a folder belongs to the task that has claimed it, before anything is there.
            models.UniqueConstraint(
                fields=["destination", "destination_path"],
                condition=~models.Q(destination_path=""),
                name="%(class)s_owns_its_place",
            )
        ]

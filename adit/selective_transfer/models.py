"""Transfers of studies that were chosen by hand."""

from django.db import models

from adit.core.models import TransferJob, TransferTask


class SelectiveTransferJob(TransferJob):
    class Meta:
        verbose_name = "selective transfer"


class SelectiveTransferTask(TransferTask):
    class Meta(TransferTask.Meta):
        verbose_name = "selective transfer task"
        # Earlier transfers of a patient or of a pseudonym are looked up while users type.
        indexes = [models.Index(fields=["patient_id"]), models.Index(fields=["pseudonym"])]

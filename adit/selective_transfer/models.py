"""Transfers of studies that were chosen by hand."""

from adit.core.models import TransferJob, TransferTask


class SelectiveTransferJob(TransferJob):
    class Meta:
        verbose_name = "selective transfer"


class SelectiveTransferTask(TransferTask):
    class Meta:
        verbose_name = "selective transfer task"

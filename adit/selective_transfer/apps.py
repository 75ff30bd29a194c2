"""Selective transfer: studies chosen by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from adit.core.transfer.processor import TransferProcessor


class SelectiveTransferConfig(AppConfig):
    name = "adit.selective_transfer"
    verbose_name = "Selective transfer"

    def ready(self) -> None:
        from adit.core.jobs.registry import JobKind, register
        from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask

        register(
            JobKind(
                key="selective_transfer",
                label="Selective Transfer",
                job_model=SelectiveTransferJob,
                task_model=SelectiveTransferTask,
                processor=_processor,
                priority=4,
                urgent_priority=8,
                add_permission="selective_transfer.add_selectivetransferjob",
                url_name="selective_transfer:form",
                icon="send",
            )
        )


def _processor() -> TransferProcessor:
    # Only the child processes of workers need the DICOM and de-identification code.
    from adit.core.transfer.processor import TransferProcessor
    from adit.selective_transfer.models import SelectiveTransferJob

    return TransferProcessor(SelectiveTransferJob)

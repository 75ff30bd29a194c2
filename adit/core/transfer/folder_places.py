"""From models to a destination in a folder: files, parts of an archive, NIfTI."""

from __future__ import annotations

from pathlib import Path

from django.db import IntegrityError, transaction
from django.utils import timezone

from adit.core.models import DicomFolder, JobArchive, TransferJob, TransferTask
from adit.core.transfer.archive.part_sink import PartSink
from adit.core.transfer.archive.places import parts_folder, parts_key
from adit.core.transfer.destination import Destination
from adit.core.transfer.folder_sink import FolderSink, StudyFolder
from adit.core.transfer.instance_destination import InstanceDestination
from adit.core.transfer.layout import job_name
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.names import own_name
from adit.core.transfer.nifti.destination import NiftiDestination
from adit.core.transfer.plan import Plan
from adit.core.transfer.quota import FolderSpace, expected_bytes
from adit.core.transfer.run import Run
from adit.core.transfer.sink import StudySink


def file_destination(
    task: TransferTask, job: TransferJob, plan: Plan, study_uid: str, ledger: Ledger, run: Run
) -> Destination:
    """What takes the instances of a task whose destination is a folder.

    Args:
        study_uid: Study Instance UID at the destination.

    Raises:
        QuotaExceeded: what is expected does not fit into the folder.
        PermanentDicomError: the job's archive cannot be written any more.
    """
    folder = DicomFolder.objects.get(pk=task.destination.pk)
    space = FolderSpace(folder)
    space.check_expected(expected_bytes(plan.series, len(ledger.confirmed_uids())))
    sink = _sink(folder, space, task, job, plan, study_uid)
    if job.convert_to_nifti:
        ledger.expect(plan)
        ledger.start_broken_series_anew()
        return NiftiDestination(sink, ledger, run, plan.warnings.append)
    return InstanceDestination(sink, ledger.confirmed_uids)


def _sink(
    folder: DicomFolder,
    space: FolderSpace,
    task: TransferTask,
    job: TransferJob,
    plan: Plan,
    study_uid: str,
) -> StudySink:
    archive = JobArchive.objects.filter(job_id=job.pk).first()
    if archive is not None:
        key = parts_key(archive)
        return PartSink(folder.name, parts_folder(folder.root(), archive, task.pk), key, space)
    name = job_name(job.kind, job.pk, timezone.localtime(job.created).date(), job.owner.username)
    place = StudyFolder(
        parent=Path(name) / own_name(task.pseudonym or task.patient_id),
        study_uid=study_uid,
        key=str(task.pk),
        modalities={series.modality for series in plan.series if not series.excluded},
        series_folders=folder.series_folders,
        final=task.destination_path,
    )
    return FolderSink(folder.name, folder.root(), place, lambda path: _claim(task, path), space)


def _claim(task: TransferTask, path: str) -> bool:
    """Write down that the place is this task's; False where it is another's."""
    try:
        with transaction.atomic():
            type(task).objects.filter(pk=task.pk).update(destination_path=path)
    except IntegrityError:
        return False
    task.destination_path = path
    return True

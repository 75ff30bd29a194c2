"""A PACS double with many small studies, and one that takes them."""

import copy

from pydicom.uid import UID

from adit.core.factories import DicomServerFactory
from adit.core.jobs.actions import create_job
from adit.core.jobs.registry import get_kind
from adit.core.models import DicomNode
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask
from adit.test_pacs.phantoms import PATIENTS, study_instances


def small_studies(number: int, instances: int) -> list:
    """So many studies of one series each, of so many tiny instances."""
    patient = next(p for p in PATIENTS if p.patient_id == "1001")
    pattern = next(study_instances(patient, patient.studies[1], scale=0.05))
    made = []
    for study in range(1, number + 1):
        for instance in range(1, instances + 1):
            ds = copy.deepcopy(pattern)
            ds.StudyInstanceUID = UID(f"1.2.826.0.1.{study}")
            ds.SeriesInstanceUID = UID(f"1.2.826.0.1.{study}.1")
            ds.SOPInstanceUID = UID(f"1.2.826.0.1.{study}.1.{instance}")
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            ds.InstanceNumber = instance
            made.append(ds)
    return made


def double_node(name: str, double, **changes):
    """The server that a double is."""
    return DicomServerFactory(name=name, ae_title=name, port=double.port, **changes)


def transfer_job(owner, source, destination, studies: int):
    """A job that transfers the first so many of the small studies."""
    nodes = [DicomNode.objects.get(pk=node.pk) for node in (source, destination)]
    job = create_job(
        owner,
        get_kind("selective_transfer"),
        SelectiveTransferJob(),
        [
            SelectiveTransferTask(
                source=nodes[0],
                destination=nodes[1],
                patient_id="1001",
                study_instance_uid=f"1.2.826.0.1.{study}",
            )
            for study in range(1, studies + 1)
        ],
    )
    job.refresh_from_db()
    return job

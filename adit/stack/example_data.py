"""Sends the example studies to a test PACS."""

from collections.abc import Iterator
from io import BytesIO

from pydicom import Dataset

from adit.core.dicom import (
    DicomError,
    DicomInstance,
    DicomOperator,
    LocalConfig,
    Query,
    ServerConfig,
    buffered,
)
from adit.core.dicom.part10 import head_size
from adit.test_pacs.phantoms import PATIENTS, example_instances, phantom_uid

_AHEAD_BYTES = 32 * 1024 * 1024


class ExampleDataError(Exception):
    """The test PACS cannot be reached or refuses the example studies."""


def peer(name: str, host: str, port: int) -> ServerConfig:
    """A test PACS whose name is its AE title."""
    return ServerConfig(
        name=name,
        ae_title=name,
        host=host,
        port=port,
        study_root_find_support=True,
        store_scp_support=True,
    )


def missing_studies(server: ServerConfig) -> set[str]:
    """The UIDs of the generated example studies that `server` does not hold completely.

    Raises:
        ExampleDataError: the PACS cannot be reached.
    """
    expected = {
        str(phantom_uid(patient.patient_id, study.number)): study.instances
        for patient in PATIENTS
        for study in patient.studies
    }
    try:
        with DicomOperator(server, LocalConfig()) as operator:
            found = operator.find_studies(Query(study_instance_uid=list(expected)))
            held = {study.study_instance_uid: study.number_of_instances or 0 for study in found}
    except DicomError as err:
        raise ExampleDataError(str(err)) from err
    return {uid for uid, count in expected.items() if held.get(uid, 0) < count}


def send_examples(server: ServerConfig) -> int:
    """Send all example instances by C-STORE (PS3.4 B); return their number.

    Raises:
        ExampleDataError: the PACS cannot be reached or refuses an instance.
    """
    count = 0
    with (
        DicomOperator(server, LocalConfig()) as operator,
        buffered(
            _encoded(), max_items=100, max_bytes=_AHEAD_BYTES, size=lambda instance: instance.size
        ) as instances,
    ):
        for outcome in operator.store(instances):
            if not outcome.accepted:
                uid = outcome.instance.sop_instance_uid
                raise ExampleDataError(f"{server.name} refuses {uid}: {outcome.error}")
            count += 1
    return count


def _encoded() -> Iterator[DicomInstance]:
    for dataset in example_instances():
        yield _encode(dataset)


def _encode(dataset: Dataset) -> DicomInstance:
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    data = file.getvalue()
    return DicomInstance(
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
        data=data[head_size(data) :],
    )

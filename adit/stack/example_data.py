"""Sends the example studies to a test PACS."""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,  # pyright: ignore[reportAttributeAccessIssue]
)

from adit.test_pacs.phantoms import PATIENTS, example_instances, phantom_uid

_SUCCESS = 0x0000
_PENDING = (0xFF00, 0xFF01)


class ExampleDataError(Exception):
    """The test PACS cannot be reached or refuses the example studies."""


@dataclass(frozen=True)
class Peer:
    """Where the test PACS listens."""

    ae_title: str
    host: str
    port: int


def missing_studies(peer: Peer) -> set[str]:
    """The UIDs of the generated example studies that `peer` does not hold completely.

    Raises:
        ExampleDataError: the PACS cannot be reached.
    """
    expected = {
        str(phantom_uid(patient.patient_id, study.number)): study.instances
        for patient in PATIENTS
        for study in patient.studies
    }
    held = _held_instances(peer, expected)
    return {uid for uid, count in expected.items() if held.get(uid, 0) < count}


def send_examples(peer: Peer) -> int:
    """Send all example instances by C-STORE (PS3.4 B); return their number.

    Raises:
        ExampleDataError: the PACS cannot be reached or refuses an instance.
    """
    count = 0
    for batch in _batches(example_instances()):
        association = _associate(peer, {_context(instance) for instance in batch})
        try:
            for instance in batch:
                status = association.send_c_store(instance)
                if "Status" not in status or status.Status != _SUCCESS:
                    raise ExampleDataError(
                        f"{peer.ae_title} refuses {instance.SOPInstanceUID}: {status}"
                    )
                count += 1
        finally:
            association.release()
    return count


def _context(instance: Dataset) -> tuple[str, str]:
    return instance.SOPClassUID, instance.file_meta.TransferSyntaxUID


def _batches(instances: Iterable[Dataset]) -> Iterator[list[Dataset]]:
    """The instances of one study at a time, for one association each."""
    for _, group in groupby(instances, key=lambda instance: instance.StudyInstanceUID):
        yield list(group)


def _associate(peer: Peer, contexts: set[tuple[str, str]]) -> Association:
    entity = AE(ae_title="ADIT")
    for sop_class, transfer_syntax in sorted(contexts):
        entity.add_requested_context(sop_class, transfer_syntax)
    association = entity.associate(
        peer.host,
        peer.port,
        ae_title=peer.ae_title,
        max_pdu=0,
        evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)],
    )
    if not association.is_established:
        raise ExampleDataError(
            f"{peer.ae_title} at {peer.host}:{peer.port} accepts no association."
        )
    return association


def _send_at_once(event: evt.Event) -> None:
    """Without TCP_NODELAY each message waits for the acknowledgement of the one before."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _held_instances(peer: Peer, studies: Iterable[str]) -> dict[str, int]:
    """How many instances of each study the PACS says it holds (PS3.4 C.4.1)."""
    held: dict[str, int] = {}
    model = StudyRootQueryRetrieveInformationModelFind
    association = _associate(peer, {(model, "1.2.840.10008.1.2")})
    try:
        for uid in studies:
            query = Dataset()
            query.QueryRetrieveLevel = "STUDY"
            query.StudyInstanceUID = uid
            query.NumberOfStudyRelatedInstances = None
            for status, answer in association.send_c_find(query, model):
                if answer is not None and status.Status in _PENDING:
                    held[uid] = int(answer.get("NumberOfStudyRelatedInstances") or 0)
    finally:
        association.release()
    return held

"""Fetches single instances to be looked at. They stay in memory and are not passed on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from adit.core.deid import SourcePatient
from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomError,
    DicomInstance,
    DicomOperator,
    PermanentDicomError,
    TransientDicomError,
    same_patient,
)
from adit.core.models import DicomServer
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.transfer.association_slots import AssociationSlots
from adit.core.transfer.patients import is_shared, patient_of
from adit.core.transfer.plan import find_study
from adit.core.transfer.processor import local_config
from adit.core.transfer.request import TransferRequest


@contextlib.contextmanager
def looking_at(server: DicomServer, cancel: CancelToken | None = None) -> Iterator[DicomOperator]:
    """A server from which single instances are taken.

    Nothing goes to a folder of ours. What a server that knows C-MOVE only sends to the receiver
    lies in the receiver's spool for a moment, as all that it receives, and is deleted there as
    soon as it is taken over.
    """
    cancel = cancel or CancelToken()
    with (
        AssociationSlots.on_demand(server.pk, server.name, cancel) as slots,
        DicomOperator(
            server.to_config(), local_config(slots), cancel=cancel, incoming=ReceiverInbox()
        ) as operator,
    ):
        yield operator


@dataclass(frozen=True)
class Filed:
    """How a study is filed at its source.

    Attributes:
        patient: whose it is, as the source says.
        shared: whether the source has the Study Instance UID under other patients, too.
    """

    patient_id: str
    patient: SourcePatient
    shared: bool

    def may_be_own(self, patient_id: str | None) -> bool:
        """Whether an answer that names this patient, or none, may be about the study."""
        return not self.shared or patient_id is None or same_patient(patient_id, self.patient_id)


def look_up(source: DicomOperator, patient_id: str, study_uid: str) -> Filed:
    """Find the study, as a transfer would.

    Raises:
        PermanentDicomError: no such study, or several of them.
        TransientDicomError: the source does not answer.
    """
    request = TransferRequest(patient_id=patient_id, study_instance_uid=study_uid)
    study, _ = find_study(source, request)
    filed = study.patient_id or ""
    return Filed(filed, patient_of(study, patient_id), is_shared(source, study_uid, filed))


def fetch_one(
    source: DicomOperator,
    patient_id: str,
    study_uid: str,
    series_uid: str,
    sop_uid: str,
    *,
    shared: bool = False,
) -> DicomInstance:
    """One instance, by the first protocol of the source that brings it.

    Args:
        shared: the source has the study under other patients, too, whose copies are not wanted.

    Raises:
        DicomError: none does; what the last one said.
        Canceled: the token of the source was set.
    """
    error: DicomError = PermanentDicomError(
        f"{source.server.name} offers no way to retrieve an instance."
    )
    for protocol in source.retrieve_protocols():
        stream = source.fetch(
            patient_id=patient_id,
            study_instance_uid=study_uid,
            series={series_uid: [sop_uid]},
            protocol=protocol,
            of_patient_only=shared,
        )
        try:
            with contextlib.closing(stream):
                for instance in stream:
                    if instance.sop_instance_uid == sop_uid and (
                        not shared or same_patient(instance.identifiers().patient_id, patient_id)
                    ):
                        return instance
        except DicomError as err:
            error = err
        else:
            error = TransientDicomError(f"{source.server.name} did not send the instance.")
    raise error


@contextlib.contextmanager
def within_time(server_name: str) -> Iterator[CancelToken]:
    """A token that is set after `LOOK_TIMEOUT_SECONDS`.

    Raises:
        TransientDicomError: the time was over before the work was done.
    """
    cancel = CancelToken()
    seconds = settings.LOOK_TIMEOUT_SECONDS
    timer = threading.Timer(seconds, cancel.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield cancel
    except Canceled as err:
        text = f"{server_name} did not send the instance within {seconds} seconds."
        raise TransientDicomError(text, advice="Try again when it is less busy.") from err
    finally:
        timer.cancel()

"""Fetches single instances to be looked at. They stay in memory and are not passed on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from django.conf import settings

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomError,
    DicomInstance,
    DicomOperator,
    PermanentDicomError,
    TransientDicomError,
)
from adit.core.models import DicomServer
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.transfer.association_slots import AssociationSlots
from adit.core.transfer.processor import local_config


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


def fetch_one(
    source: DicomOperator, patient_id: str, study_uid: str, series_uid: str, sop_uid: str
) -> DicomInstance:
    """One instance, by the first protocol of the source that brings it.

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
        )
        try:
            with contextlib.closing(stream):
                for instance in stream:
                    if instance.sop_instance_uid == sop_uid:
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

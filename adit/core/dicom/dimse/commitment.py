"""Storage commitment as its user (PS3.4 Annex J): N-ACTION, and the report where it comes back."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as DicomSequence

from ..commitment import (
    EVENT_TYPES,
    STORAGE_COMMITMENT_CLASS,
    STORAGE_COMMITMENT_INSTANCE,
    CommitmentReport,
    MalformedReport,
    ReportStream,
    read_report,
)
from ..contexts import IMPLICIT_LITTLE
from ..errors import TransientDicomError, from_dimse_status
from . import commands
from .association import Association
from .messages import Message

_REQUEST_COMMITMENT = 1
_TURN = 0.25
_PROCESSING_FAILURE, _NO_SUCH_EVENT = 0x0110, 0x0113


def commit(
    association: Association,
    transaction_uid: str,
    references: Sequence[tuple[str, str]],
    reports: ReportStream | None,
    patience: float,
) -> CommitmentReport | None:
    """Asks the server to commit itself, and waits for its report on this association or elsewhere.

    Args:
        association: With a context for the Storage Commitment Push Model.
        transaction_uid: A new UID.
        references: SOP Class UID and SOP Instance UID of each instance.
        reports: What the receivers get on this transaction.
        patience: Seconds to wait after the request was accepted.

    Returns:
        The report, or None where none came.

    Raises:
        DicomError: If the server does not accept the request, or the association breaks and there
            is no other way for the report.
    """
    context = association.context_for(STORAGE_COMMITMENT_CLASS)
    message_id = association.next_message_id()
    association.send(
        context,
        commands.action_request(
            message_id, STORAGE_COMMITMENT_CLASS, STORAGE_COMMITMENT_INSTANCE, _REQUEST_COMMITMENT
        ),
        _information(transaction_uid, references, context.transfer_syntax),
    )
    report: CommitmentReport | None = None
    accepted = False
    deadline = time.monotonic() + association.local.network_timeout
    while not accepted:
        # A quick server reports before it has answered the request.
        message = association.receive(max(0.1, deadline - time.monotonic()))
        if message.command.field == commands.N_ACTION_RSP:
            if not message.command.answers(message_id):
                continue
            if status := message.command.status:
                raise from_dimse_status(association.server.name, "N-ACTION", status)
            accepted = True
        else:
            report = _take(association, message, transaction_uid) or report
    deadline = time.monotonic() + patience
    while report is None and (left := deadline - time.monotonic()) > 0:
        if reports is not None:
            report = reports.take(min(_TURN, left))
            left = 0
        if report is None and not association.closed and association.wait(min(_TURN, left)):
            try:
                message = association.receive(association.local.network_timeout)
            except TransientDicomError:
                # Many servers end the association and report on another one.
                if reports is None:
                    raise
                continue
            report = _take(association, message, transaction_uid)
    return report


def _take(
    association: Association, message: Message, transaction_uid: str
) -> CommitmentReport | None:
    """Answers an N-EVENT-REPORT and returns it, if it is on this transaction."""
    command = message.command
    if command.field != commands.N_EVENT_REPORT_RQ or not isinstance(message.data, bytearray):
        association.abort()
        raise TransientDicomError(
            f"{association.server.name} sent a message that does not belong to storage commitment.",
            code="protocol",
        )
    report, status = None, _NO_SUCH_EVENT
    if command.event_type in EVENT_TYPES:
        try:
            report = read_report(bytes(message.data), message.context.transfer_syntax)
            status = commands.STATUS_SUCCESS
        except MalformedReport:
            status = _PROCESSING_FAILURE
    association.send(message.context, commands.event_report_response(command, status))
    return report if report and report.transaction_uid == transaction_uid else None


def _information(
    transaction_uid: str, references: Sequence[tuple[str, str]], transfer_syntax: str
) -> bytes:
    """The Action Information (PS3.4 Table J.3-1)."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    items = []
    for sop_class_uid, sop_instance_uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class_uid
        item.ReferencedSOPInstanceUID = sop_instance_uid
        items.append(item)
    ds.ReferencedSOPSequence = DicomSequence(items)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, transfer_syntax == IMPLICIT_LITTLE
    write_dataset(buffer, ds)
    return buffer.getvalue()

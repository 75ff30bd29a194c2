"""Storage commitment of the PACS double as provider (PS3.4 Annex J)."""

import threading
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom import Dataset
from pynetdicom import build_context, build_role
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT
from pynetdicom.dsutils import decode, encode
from pynetdicom.presentation import PresentationContext

if TYPE_CHECKING:
    from .double import PacsDouble

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
NO_SUCH_INSTANCE = 0x0112
ALL_SAFE, FAILURES_EXIST = 1, 2


@dataclass(slots=True)
class Commitment:
    """One request for storage commitment while it is served."""

    pacs: "PacsDouble"
    assoc: Association
    request: N_ACTION
    context: PresentationContext

    def serve(self) -> None:
        """Accept the request and report, here or on an association of our own."""
        syntax = self.context.transfer_syntax[0]
        assert self.request.ActionInformation is not None
        information = decode(
            self.request.ActionInformation, syntax.is_implicit_VR, syntax.is_little_endian
        )
        calling = self.assoc.requestor.ae_title.strip()
        self.pacs.seen.requested("N-ACTION", information, calling)
        response = N_ACTION()
        response.MessageIDBeingRespondedTo = self.request.MessageID
        response.AffectedSOPClassUID = PUSH_MODEL
        response.AffectedSOPInstanceUID = PUSH_MODEL_INSTANCE
        response.ActionTypeID = 1
        response.Status = 0x0000
        assert self.context.context_id is not None
        self.assoc.dimse.send_msg(response, self.context.context_id)
        faults = self.pacs.faults
        if faults.forget_commitment:
            return
        report = self._report(information)
        if faults.commitment_on_new_association:
            args = (calling, report)
            threading.Thread(target=self._report_elsewhere, args=args, daemon=True).start()
        else:
            self._report_here(report)

    def _report(self, information: Dataset) -> Dataset:
        safe, failed = [], []
        for item in information.ReferencedSOPSequence:
            known = str(item.ReferencedSOPInstanceUID) in self.pacs.archive
            if known and not self.pacs.faults.refuse_commitment:
                safe.append(item)
            else:
                item.FailureReason = NO_SUCH_INSTANCE
                failed.append(item)
        report = Dataset()
        report.TransactionUID = information.TransactionUID
        if safe:
            report.ReferencedSOPSequence = safe
        if failed:
            report.FailedSOPSequence = failed
        return report

    def _report_here(self, report: Dataset) -> None:
        syntax = self.context.transfer_syntax[0]
        event = N_EVENT_REPORT()
        event.MessageID = 1
        event.AffectedSOPClassUID = PUSH_MODEL
        event.AffectedSOPInstanceUID = PUSH_MODEL_INSTANCE
        event.EventTypeID = _event_type(report)
        encoded = encode(report, syntax.is_implicit_VR, syntax.is_little_endian)
        event.EventInformation = BytesIO(encoded or b"")
        assert self.context.context_id is not None
        self.assoc.dimse.send_msg(event, self.context.context_id)
        self.assoc.dimse.get_msg(block=True)

    def _report_elsewhere(self, calling: str, report: Dataset) -> None:
        address = self.pacs.peers.get(calling)
        if address is None:
            return
        ae = ApplicationEntity(self.pacs.ae_title)
        ae.connection_timeout = 10
        outgoing = ae.associate(
            *address,
            contexts=[build_context(PUSH_MODEL)],
            ae_title=calling,
            ext_neg=[build_role(PUSH_MODEL, scp_role=True)],
        )
        if outgoing.is_established:
            outgoing.send_n_event_report(
                report, _event_type(report), PUSH_MODEL, PUSH_MODEL_INSTANCE
            )
            outgoing.release()


def _event_type(report: Dataset) -> int:
    return FAILURES_EXIST if "FailedSOPSequence" in report else ALL_SAFE

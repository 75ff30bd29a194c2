"""C-GET and C-MOVE of the PACS double, with their faults (PS3.4 C.4.2, C.4.3)."""

import threading
import time
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext

from .archive import ArchivedInstance
from .queries import InvalidIdentifier, select
from .sending import MoveOriginator, associate, send_instance

if TYPE_CHECKING:
    from .double import PacsDouble

SUCCESS = 0x0000
PENDING = 0xFF00
CANCELED = 0xFE00
SOME_FAILED = 0xB000
NONE_SENT = 0xA702
UNKNOWN_DESTINATION = 0xA801
INVALID_IDENTIFIER = 0xA900
UNABLE_TO_PROCESS = 0xC000
PENDING_INTERVAL = 0.1


@dataclass(slots=True)
class Retrieval:
    """One C-GET or C-MOVE request while it is served."""

    pacs: "PacsDouble"
    assoc: Association
    request: C_GET | C_MOVE
    context: PresentationContext
    remaining: int = 0
    completed: int = 0
    failed: list[str] = field(default_factory=list)

    def serve(self, identifier: Dataset) -> None:
        """Send what was asked for and answer."""
        faults = self.pacs.faults
        if faults.fail_moves if isinstance(self.request, C_MOVE) else faults.fail_gets:
            self.respond(UNABLE_TO_PROCESS)
            return
        try:
            instances = select(self.pacs.archive, identifier)
        except InvalidIdentifier:
            self.respond(INVALID_IDENTIFIER)
            return
        if faults.wrong_patient:
            instances = self._of_another_patient(instances)
        if faults.duplicates:
            instances = [instance for instance in instances for _ in range(2)]
        if faults.leave_out:
            instances = instances[: -faults.leave_out]
        if faults.zero_suboperations:
            instances = []
        if faults.all_failed_but_success:
            self.failed = [str(instance.sop_instance_uid) for instance in instances]
            self.respond(SUCCESS)
            return
        self.remaining = len(instances)
        if isinstance(self.request, C_MOVE):
            self._move(self.request, instances)
        elif self._send_all(self.assoc, instances, None):
            self._finish()

    def respond(self, status: int) -> None:
        """Send a response with the counts as they stand (PS3.7 9.3.3.2, 9.3.4.2)."""
        response = type(self.request)()
        response.MessageIDBeingRespondedTo = self.request.MessageID
        response.AffectedSOPClassUID = self.request.AffectedSOPClassUID
        response.Status = status
        if status in (PENDING, CANCELED):
            response.NumberOfRemainingSuboperations = self.remaining
        response.NumberOfCompletedSuboperations = self.completed
        response.NumberOfFailedSuboperations = len(self.failed)
        response.NumberOfWarningSuboperations = 0
        if self.failed and status in (SOME_FAILED, NONE_SENT, CANCELED):
            syntax = self.context.transfer_syntax[0]
            ds = Dataset()
            ds.FailedSOPInstanceUIDList = self.failed
            encoded = encode(ds, syntax.is_implicit_VR, syntax.is_little_endian)
            response.Identifier = BytesIO(encoded or b"")
        assert self.context.context_id is not None
        self.assoc.dimse.send_msg(response, self.context.context_id)

    def _move(self, request: C_MOVE, instances: list[ArchivedInstance]) -> None:
        faults = self.pacs.faults
        destination = str(request.MoveDestination or "").strip()
        address = self.pacs.peers.get(destination)
        if address is None:
            self.respond(UNKNOWN_DESTINATION)
            return
        originator = None
        if not faults.no_move_originator and request.MessageID is not None:
            originator = MoveOriginator(self.assoc.requestor.ae_title.strip(), request.MessageID)
        if faults.success_before_sending:
            self.completed, self.remaining = len(instances), 0
            self.respond(SUCCESS)
            args = (destination, address, instances, originator, False)
            threading.Thread(target=self._move_to, args=args, daemon=True).start()
        elif self._move_to(destination, address, instances, originator, True):
            self._finish()

    def _move_to(
        self,
        destination: str,
        address: tuple[str, int],
        instances: list[ArchivedInstance],
        originator: MoveOriginator | None,
        report: bool,
    ) -> bool:
        if not instances:
            return True
        calling = self.pacs.faults.calling_ae_title or self.pacs.ae_title
        outgoing = associate(calling, destination, address, instances)
        if not outgoing.is_established:
            self.failed = [str(instance.sop_instance_uid) for instance in instances]
            self.remaining = 0
            return True
        try:
            return self._send_all(outgoing, instances, originator, report)
        finally:
            if outgoing.is_established:
                outgoing.release()

    def _send_all(
        self,
        sender: Association,
        instances: list[ArchivedInstance],
        originator: MoveOriginator | None,
        report: bool = True,
    ) -> bool:
        """Send the instances; False where the retrieval is over without a final response."""
        faults = self.pacs.faults
        for number, instance in enumerate(instances, start=1):
            time.sleep(faults.delay)
            if report and self._is_canceled():
                self.respond(CANCELED)
                return False
            if number == faults.stop_mid_data_set:
                send_instance(sender, instance, number, originator, stop_half_way=True)
                self._hang()
                return False
            status = send_instance(sender, instance, number & 0x7FFF, originator)
            if not sender.is_established or sender.acse.is_aborted():
                return False
            self.remaining -= report
            if status is not None and status >> 12 in (0x0, 0xB):
                self.completed += report
            else:
                self.failed.append(str(instance.sop_instance_uid))
            if number == faults.abort_after:
                sender.abort()
                if sender is not self.assoc:
                    self.assoc.abort()
                return False
            if report and number < len(instances):
                self.respond(PENDING)
        return True

    def _finish(self) -> None:
        while self.pacs.faults.endless_pending:
            if self._is_canceled():
                self.respond(CANCELED)
                return
            if self._is_over(PENDING_INTERVAL):
                return
            self.respond(PENDING)
        if not self.failed:
            self.respond(SUCCESS)
        else:
            self.respond(SOME_FAILED if self.completed else NONE_SENT)

    def _of_another_patient(self, instances: list[ArchivedInstance]) -> list[ArchivedInstance]:
        mine = {instance.patient_id for instance in instances}
        others = [item for item in self.pacs.archive if item.patient_id not in mine]
        return others[: len(instances)]

    def _is_canceled(self) -> bool:
        canceled = self.request.MessageID in self.assoc.dimse.cancel_req
        if canceled:
            self.pacs.seen.cancel()
        return canceled

    def _hang(self) -> None:
        while not self._is_over(0.05):
            pass

    def _is_over(self, wait: float) -> bool:
        """Whether the peer has gone or the double stops; waits a little."""
        if self.pacs.stopping.wait(wait):
            return True
        return self.assoc.acse.is_aborted() or not self.assoc.dul.is_alive()

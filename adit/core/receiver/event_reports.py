"""Reports of storage commitment: N-EVENT-REPORT as its user (PS3.4 Annex J, PS3.7 10.1.1)."""

import logging
import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

from pydicom.filereader import read_dataset
from pydicom.uid import UID

from adit.core.dicom.dimse.commands import Command
from adit.core.dicom.dimse.pdus import ProtocolError

N_EVENT_REPORT_RQ, N_EVENT_REPORT_RSP = 0x0100, 0x8100

_SUCCESS, _PROCESSING_FAILURE, _INVALID_ARGUMENT, _NO_SUCH_EVENT = 0x0000, 0x0110, 0x0115, 0x0113
_EVENTS = (1, 2)  # all committed; some failed
_NO_REASON = 0x0110
# A study of 100 000 instances makes 13 MB.
_LARGEST_REPORT = 64 * 1024 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CommitmentResult:
    """What a PACS says of the instances of one request.

    Attributes:
        committed: SOP Instance UIDs that it has taken responsibility for.
        failed: Failure Reason (PS3.3 C.14.1.1) of the others, by SOP Instance UID.
    """

    transaction_uid: str
    calling_ae_title: str
    committed: tuple[str, ...]
    failed: dict[str, int]


class ReportKeeper(Protocol):
    """Makes a report durable."""

    def __call__(self, result: CommitmentResult, /) -> None:
        """Return when that is done.

        Raises:
            Exception: It is not; the PACS must be told.
        """
        ...


class EventReport:
    """A report whose data set is arriving."""

    def __init__(self, context_id: int, command: Command, transfer_syntax_uid: str) -> None:
        self._context_id = context_id
        self._command = command
        self._syntax = UID(transfer_syntax_uid)
        self._data = bytearray()

    def add(self, context_id: int, piece: memoryview) -> None:
        """Take a piece of the data set.

        Raises:
            ProtocolError: It belongs to another message, or this is too much.
        """
        if context_id != self._context_id or len(self._data) + len(piece) > _LARGEST_REPORT:
            raise ProtocolError("A fragment of a report was not expected here.")
        self._data += piece

    def keep(self, keeper: ReportKeeper, calling_ae_title: str) -> bytes:
        """Make the report durable; returns the answer."""
        if self._command.event_type not in _EVENTS:
            return self._answer(_NO_SUCH_EVENT)
        try:
            result = self._read(calling_ae_title)
        except Exception:
            logger.warning("A report of storage commitment cannot be read.")
            return self._answer(_INVALID_ARGUMENT)
        try:
            keeper(result)
        except Exception as error:
            logger.error("A report could not be kept: %s", type(error).__name__)
            return self._answer(_PROCESSING_FAILURE)
        return self._answer(_SUCCESS)

    def _read(self, calling_ae_title: str) -> CommitmentResult:
        ds = read_dataset(
            BytesIO(self._data), self._syntax.is_implicit_VR, self._syntax.is_little_endian
        )
        transaction_uid = str(ds.TransactionUID)
        if not 0 < len(transaction_uid) <= 64 or not transaction_uid.isascii():
            raise ValueError("This is no UID.")
        return CommitmentResult(
            transaction_uid=transaction_uid,
            calling_ae_title=calling_ae_title,
            committed=tuple(
                str(item.ReferencedSOPInstanceUID) for item in ds.get("ReferencedSOPSequence") or ()
            ),
            failed={
                str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason") or _NO_REASON)
                for item in ds.get("FailedSOPSequence") or ()
            },
        )

    def _answer(self, status: int) -> bytes:
        """N-EVENT-REPORT-RSP (PS3.7 10.3.1.2)."""
        command = self._command
        elements = b"".join(
            struct.pack("<HHL", 0x0000, element, len(value)) + value
            for element, value in (
                (0x0002, _padded(command.sop_class_uid)),
                (0x0100, struct.pack("<H", N_EVENT_REPORT_RSP)),
                (0x0120, struct.pack("<H", command.message_id)),
                (0x0800, struct.pack("<H", 0x0101)),
                (0x0900, struct.pack("<H", status)),
                (0x1000, _padded(command.sop_instance_uid)),
                (0x1002, struct.pack("<H", command.event_type or 0)),
            )
        )
        return struct.pack("<HHLL", 0x0000, 0x0000, 4, len(elements)) + elements


def _padded(uid: str) -> bytes:
    encoded = uid.encode("ascii", "replace")
    return encoded + b"\0" * (len(encoded) % 2)

"""Reports of storage commitment: N-EVENT-REPORT as its user (PS3.4 Annex J, PS3.7 10.1.1)."""

import logging
from typing import Protocol

from adit.core.dicom import CommitmentReport, read_report
from adit.core.dicom.commitment import EVENT_TYPES, MalformedReport
from adit.core.dicom.dimse.commands import Command, event_report_response
from adit.core.dicom.dimse.pdus import ProtocolError

_SUCCESS, _PROCESSING_FAILURE, _INVALID_ARGUMENT, _NO_SUCH_EVENT = 0x0000, 0x0110, 0x0115, 0x0113
# A study of 100 000 instances makes 13 MB.
_LARGEST_REPORT = 32 * 1024 * 1024

logger = logging.getLogger(__name__)


class ReportKeeper(Protocol):
    """Makes a report durable."""

    def __call__(self, report: CommitmentReport, calling_ae_title: str, address: str, /) -> None:
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
        self._syntax = transfer_syntax_uid
        self._data = bytearray()

    def add(self, context_id: int, piece: memoryview) -> None:
        """Take a piece of the data set.

        Raises:
            ProtocolError: It belongs to another message, or this is too much.
        """
        if context_id != self._context_id or len(self._data) + len(piece) > _LARGEST_REPORT:
            raise ProtocolError("A fragment of a report was not expected here.")
        self._data += piece

    def keep(self, keeper: ReportKeeper, calling_ae_title: str, address: str) -> bytes:
        """Make the report durable; returns the answer."""
        return event_report_response(self._command, self._keep(keeper, calling_ae_title, address))

    def _keep(self, keeper: ReportKeeper, calling_ae_title: str, address: str) -> int:
        if self._command.event_type not in EVENT_TYPES:
            return _NO_SUCH_EVENT
        try:
            report = read_report(bytes(self._data), self._syntax)
        except MalformedReport:
            logger.warning("A report of storage commitment cannot be read.")
            return _INVALID_ARGUMENT
        uids = (report.transaction_uid, *report.committed, *report.failed)
        uids += tuple(filter(None, report.classes.values()))
        if not all(0 < len(uid) <= 64 and uid.isascii() and uid.isprintable() for uid in uids):
            return _INVALID_ARGUMENT
        try:
            keeper(report, calling_ae_title, address)
        except Exception as error:
            logger.error("A report could not be kept: %s", type(error).__name__)
            return _PROCESSING_FAILURE
        return _SUCCESS

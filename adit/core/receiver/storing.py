"""A C-STORE request whose data set is arriving (PS3.7 9.1.1)."""

import logging
import struct

from adit.core.dicom.dimse.commands import Command
from adit.core.dicom.dimse.pdus import ProtocolError
from adit.core.dicom.header import SOP_INSTANCE_UID, MalformedDataSet, decode_uid, read_values

from .spool import Spool, SpooledFile, SpoolFull, SpoolWriter

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NOT_OF_THIS_COMMAND = 0xA900
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
NOT_AUTHORIZED = 0x0124

logger = logging.getLogger(__name__)


class Store:
    """Takes the pieces of one data set to the spool.

    After a failure the rest of the data set is read and dropped, because the answer may only
    follow the whole request.
    """

    def __init__(
        self,
        context_id: int,
        command: Command,
        spool: Spool,
        transfer_syntax_uid: str,
        calling_ae_title: str,
    ) -> None:
        self.context_id = context_id
        self.command = command
        self._syntax = transfer_syntax_uid
        self.status = SUCCESS
        self._pieces: list[memoryview] = []
        self._writer: SpoolWriter | None = None
        if not (_is_uid(command.sop_class_uid) and _is_uid(command.sop_instance_uid)):
            self.status = PROCESSING_FAILURE
            return
        try:
            self._writer = spool.writer(
                command.sop_class_uid,
                command.sop_instance_uid,
                transfer_syntax_uid,
                calling_ae_title,
            )
        except (SpoolFull, OSError) as error:
            self._fail(error)

    def add(self, context_id: int, piece: memoryview) -> None:
        """Take a piece, which must stay valid until `flush`.

        Raises:
            ProtocolError: It belongs to another message.
        """
        if context_id != self.context_id:
            raise ProtocolError("A fragment belongs to another presentation context.")
        if self._writer is not None and len(piece):
            self._pieces.append(piece)

    def add_all(self, pieces: list[memoryview]) -> None:
        """Likewise of pieces that belong to this message."""
        if self._writer is not None:
            self._pieces += pieces

    def flush(self) -> None:
        """Write what was added."""
        if not self._pieces:
            return
        pieces, self._pieces = self._pieces, []
        if self._writer is not None:
            try:
                self._writer.write(pieces)
            except (SpoolFull, OSError) as error:
                self._fail(error)

    def finish(self) -> SpooledFile | None:
        """Make the file durable; None where that failed, and `status` says how.

        Refused is what no task could ever take: a data set without content, and one of another SOP
        Instance UID than the command names (PS3.4 B.2.3). Quarantine would be no help, for it is
        not known which of both the instance is, and the sender would take it for stored. It is told
        at once, and so is who asked for it with a C-MOVE. Another SOP Class UID is no reason: some
        senders put it wrong, and the data set's own counts. What cannot be read is kept, too.
        """
        self.flush()
        if self._writer is None:
            return None
        if not self._writer.size:
            self._reject(CANNOT_UNDERSTAND, "without content")
            return None
        if not _is_of(self._writer.start, self.command.sop_instance_uid, self._syntax):
            self._reject(NOT_OF_THIS_COMMAND, "of another SOP Instance UID than the command's")
            return None
        try:
            return self._writer.finish()
        except OSError as error:
            self._fail(error)
            return None

    def refuse(self, status: int) -> None:
        """Answer with this status, and keep nothing."""
        self.status = status
        self.discard()

    def discard(self) -> None:
        """Drop what has arrived."""
        self._pieces = []
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _reject(self, status: int, what: str) -> None:
        logger.warning("An instance was refused: its data set is %s.", what)
        self.refuse(status)

    def _fail(self, error: Exception) -> None:
        logger.error("The spool takes nothing more: %s", type(error).__name__)
        self.status = OUT_OF_RESOURCES
        self.discard()


def _is_uid(text: str) -> bool:
    """Whether it can stand for a UID; what PACS make of PS3.5 9.1 beyond that is not judged."""
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable()


def _is_of(start: bytearray, sop_instance_uid: str, transfer_syntax_uid: str) -> bool:
    """Whether a data set that starts so has this SOP Instance UID, or does not tell."""
    value = sop_instance_uid.encode()
    value += b"\0" * (len(value) % 2)
    # As nearly all data sets have it (explicit VR little endian): found without a walk.
    if b"\x08\0\x18\0UI" + struct.pack("<H", len(value)) + value in start:
        return True
    try:
        values = read_values(start, transfer_syntax_uid, {SOP_INSTANCE_UID})
    except MalformedDataSet:
        return True
    return decode_uid(values.get(SOP_INSTANCE_UID, b"")) in ("", sop_instance_uid)

"""One association with a sender: C-STORE and C-ECHO as provider, in one thread, without polling."""

import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from adit.core.dicom.dimse.commands import (
    C_ECHO_RQ,
    C_STORE_RQ,
    Command,
    CommandError,
    echo_response,
    store_response,
)
from adit.core.dicom.dimse.pdus import (
    A_ABORT,
    A_ASSOCIATE_RQ,
    A_RELEASE_RQ,
    ABORT_PDU,
    P_DATA_TF,
    RELEASE_RP_PDU,
    PduReader,
    PduWriter,
    ProtocolError,
    split_values,
)

from .acceptance import Proposal, choose_contexts, encode_accept, encode_reject, read_request
from .spool import Spool, SpooledFile, SpoolFull, SpoolWriter

MAXIMUM_PDU = 131072
_REQUEST_TIMEOUT = 30.0
_IDLE_TIMEOUT = 600.0
_LARGEST_COMMAND = 64 * 1024

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
PROCESSING_FAILURE = 0x0110

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance that lies complete in the spool."""

    file: SpooledFile
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    called_ae_title: str
    move_originator_ae_title: str
    move_originator_message_id: int | None


class Keeper(Protocol):
    """Makes an arrival known to the workers."""

    def __call__(self, arrival: Arrival, /) -> None:
        """Return when that is durable.

        Raises:
            Exception: It is not; the sender must be told.
        """
        ...


class Session:
    """Serves one connection until the peer or `abort` ends it."""

    def __init__(
        self,
        sock: socket.socket,
        spool: Spool,
        keep: Keeper,
        decide: Callable[[Proposal], tuple[int, int, int] | None],
    ) -> None:
        """Prepare to serve.

        Args:
            keep: Called for each complete instance; C-STORE succeeds when it returns.
            decide: Gives the reason to reject a proposal, None to accept it.
        """
        self._socket = sock
        self._spool = spool
        self._keep = keep
        self._decide = decide
        self._reader = PduReader(sock)
        self._writer = PduWriter(sock)
        self._contexts: dict[int, tuple[str, str]] = {}
        self._calling = self._called = ""
        self._command = bytearray()
        self._store: _Store | None = None

    def run(self) -> None:
        """Serve; returns when the association is over, in whatever way."""
        try:
            self._socket.settimeout(_REQUEST_TIMEOUT)
            if self._negotiate():
                self._socket.settimeout(_IDLE_TIMEOUT)
                while self._serve_pdu():
                    pass
        except (ProtocolError, CommandError, struct.error) as error:
            logger.warning("%s sent what is no DICOM: %s", self._calling or "A peer", error)
            self._write_last(ABORT_PDU)
        except TimeoutError:
            self._write_last(ABORT_PDU)
        except (OSError, EOFError):
            pass
        finally:
            if self._store:
                self._store.discard()
            self._socket.close()

    @property
    def is_receiving(self) -> bool:
        """Whether an instance is arriving right now."""
        return self._store is not None

    def abort(self) -> None:
        """End the association from another thread: tell the peer and close."""
        self._write_last(ABORT_PDU)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _negotiate(self) -> bool:
        kind, body = self._reader.read()
        if kind != A_ASSOCIATE_RQ:
            raise ProtocolError("An association request was expected.")
        try:
            proposal = read_request(bytes(body))
        except Exception as error:
            raise ProtocolError("The association request cannot be read.") from error
        if rejection := self._decide(proposal):
            self._writer.write(encode_reject(rejection))
            return False
        self._calling, self._called = proposal.calling_ae_title, proposal.called_ae_title
        self._contexts = choose_contexts(proposal)
        self._writer.write(encode_accept(proposal, self._contexts, MAXIMUM_PDU))
        self._writer.set_peer_maximum(proposal.peer_maximum)
        return True

    def _serve_pdu(self) -> bool:
        kind, body = self._reader.read()
        if kind == P_DATA_TF:
            for context_id, is_command, is_last, fragment in split_values(body):
                if is_command:
                    self._take_command(context_id, fragment, is_last)
                else:
                    self._take_data(fragment, is_last)
            return True
        if kind == A_RELEASE_RQ:
            self._writer.write(RELEASE_RP_PDU)
            return False
        if kind == A_ABORT:
            return False
        raise ProtocolError(f"Unexpected PDU {kind:#04x}.")

    def _take_command(self, context_id: int, fragment: memoryview, is_last: bool) -> None:
        if self._store is not None or len(self._command) + len(fragment) > _LARGEST_COMMAND:
            raise ProtocolError("A command was not expected here.")
        self._command += fragment
        if not is_last:
            return
        command = Command(self._command)
        self._command = bytearray()
        if context_id not in self._contexts:
            raise ProtocolError("The presentation context was not accepted.")
        if command.field == C_ECHO_RQ:
            self._writer.write_message(context_id, echo_response(command))
        elif command.field == C_STORE_RQ and command.has_data_set:
            self._store = _Store(context_id, command)
            self._store.begin(self._spool, self._contexts[context_id][1])
        else:
            raise ProtocolError(f"The command {command.field:#06x} is not served here.")

    def _take_data(self, fragment: memoryview, is_last: bool) -> None:
        store = self._store
        if store is None:
            raise ProtocolError("A data set was not expected here.")
        store.write(fragment)
        if is_last:
            status = self._finish(store)
            self._store = None
            self._writer.write_message(store.context_id, store_response(store.command, status))

    def _finish(self, store: "_Store") -> int:
        file = store.finish()
        if file is None:
            return store.status
        command = store.command
        try:
            self._keep(
                Arrival(
                    file=file,
                    sop_class_uid=command.sop_class_uid,
                    sop_instance_uid=command.sop_instance_uid,
                    transfer_syntax_uid=self._contexts[store.context_id][1],
                    calling_ae_title=self._calling,
                    called_ae_title=self._called,
                    move_originator_ae_title=command.move_originator_ae_title,
                    move_originator_message_id=command.move_originator_message_id,
                )
            )
        except Exception:
            logger.exception("An instance from %s could not be kept.", self._calling)
            self._spool.remove(file.name)
            return OUT_OF_RESOURCES
        return SUCCESS

    def _write_last(self, pdu: bytes) -> None:
        try:
            self._socket.settimeout(1)
            self._socket.sendall(pdu)
        except OSError:
            return


def _is_uid(text: str) -> bool:
    """Whether it can stand for a UID; what PACS make of PS3.5 9.1 beyond that is not judged."""
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable()


class _Store:
    """A C-STORE request whose data set is arriving.

    After a failure the rest of the data set is read and dropped, because the answer may only
    follow the whole request.
    """

    def __init__(self, context_id: int, command: Command) -> None:
        self.context_id = context_id
        self.command = command
        self.status = SUCCESS
        self._writer: SpoolWriter | None = None

    def begin(self, spool: Spool, transfer_syntax_uid: str) -> None:
        """Open the file."""
        command = self.command
        if not (_is_uid(command.sop_class_uid) and _is_uid(command.sop_instance_uid)):
            self.status = PROCESSING_FAILURE
            return
        try:
            self._writer = spool.writer(
                command.sop_class_uid, command.sop_instance_uid, transfer_syntax_uid
            )
        except (SpoolFull, OSError) as error:
            self._fail(error)

    def write(self, piece: memoryview) -> None:
        """Append a piece."""
        if self._writer is not None:
            try:
                self._writer.write(piece)
            except OSError as error:
                self._fail(error)

    def finish(self) -> SpooledFile | None:
        """Make the file durable; None where that failed, and `status` says how."""
        if self._writer is None:
            return None
        try:
            return self._writer.finish()
        except OSError as error:
            self._fail(error)
            return None

    def discard(self) -> None:
        """Drop what has arrived."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _fail(self, error: Exception) -> None:
        logger.error("The spool takes nothing more: %s", error)
        self.status = OUT_OF_RESOURCES
        self.discard()

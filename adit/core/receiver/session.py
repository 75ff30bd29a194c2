"""One association with a sender, as provider, in one thread, without polling.

Served are C-STORE (PS3.4 Annex B), C-ECHO (Annex A) and the reports of storage commitment
(N-EVENT-REPORT, Annex J).
"""

import logging
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from adit.core.dicom.dimse.commands import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    N_EVENT_REPORT_RQ,
    Command,
    CommandError,
    echo_response,
    store_response,
)
from adit.core.dicom.dimse.pdus import (
    A_ABORT,
    A_ASSOCIATE_RQ,
    A_RELEASE_RQ,
    P_DATA_TF,
    RELEASE_RP_PDU,
    SLOWEST_RATE,
    PduWriter,
    ProtocolError,
    split_values,
)

from .acceptance import (
    ABORT_BY_USER,
    ABORT_INVALID,
    Rejection,
    accept,
    encode_reject,
)
from .association_requests import MalformedRequest, Proposal, printable, read_request
from .event_reports import EventReport, ReportKeeper
from .spool import Spool, SpooledFile
from .storing import NOT_AUTHORIZED, OUT_OF_RESOURCES, SUCCESS, Store
from .wire import LEAST_WAIT, MAXIMUM_PDU, PduSource, prepare

REQUEST_SECONDS = 30.0
"""So long a peer may take for the TLS handshake, and then for its association request."""

IDLE_SECONDS = 600.0
"""So long a peer may take from one message to the next."""

SILENCE_SECONDS = 60.0
"""So long a peer may be silent within a message, and as long the message may take beyond what its
bytes take at `SLOWEST_RATE`: PDUs alone, with next to nothing in them, hold no place."""

PDU_SECONDS = 60.0
SEND_SECONDS = 30.0
_LARGEST_COMMAND = 64 * 1024
_WELCOME_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance that lies complete in the spool."""

    file: SpooledFile
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    address: str
    called_ae_title: str
    move_originator_ae_title: str
    move_originator_message_id: int | None


class HandshakeFailed(Exception):
    """The peer does not speak TLS, or has no certificate that is trusted."""


class NoRequest(Exception):
    """The peer's association request cannot be read."""


class Keeper(Protocol):
    """Makes an arrival known to the workers."""

    def __call__(self, arrival: Arrival, /) -> None:
        """Return when that is durable.

        Raises:
            Exception: It is not; the sender must be told.
        """
        ...


class Session:
    """Serves one connection until the peer or `stop` ends it."""

    def __init__(
        self,
        sock: socket.socket,
        spool: Spool,
        keep: Keeper,
        decide: Callable[["Session", Proposal], Rejection | None],
        keep_report: ReportKeeper,
        *,
        address: str = "",
        event_titles: frozenset[str] = frozenset(),
        may_send: Callable[[Proposal], bool] = lambda proposal: True,
    ) -> None:
        """Prepare to serve.

        Args:
            decide: Gives the reason to refuse an association, or None.
            keep_report: Makes a report of storage commitment durable.
            address: The IP address of the peer.
            event_titles: Called under these names, only reports and echoes are served.
            may_send: Whether a peer that was let in is still welcome.
        """
        self._socket = sock
        self._spool = spool
        self._keep = keep
        self._decide = decide
        self._keep_report = keep_report
        self._address = address
        self._event_titles = event_titles
        self._may_send = may_send
        self._proposal: Proposal | None = None
        self._looked_at = 0.0
        self._source: PduSource | None = None
        self._writer = PduWriter(sock)
        self._contexts: dict[int, tuple[str, str]] = {}
        self._calling = self._called = ""
        self._command = bytearray()
        self._command_context = 0
        self._store: Store | None = None
        self._report: EventReport | None = None
        self._deadline = 0.0
        self._stopping = False
        self.is_accepted = False
        self.opened = time.monotonic()

    def run(self) -> None:
        """Serve; returns when the association is over, in whatever way.

        Raises:
            HandshakeFailed, NoRequest: There was no association.
        """
        try:
            self._serve()
        except MalformedRequest as error:
            self._write_last(ABORT_INVALID)
            raise NoRequest(str(error)) from error
        except (ProtocolError, CommandError, struct.error) as error:
            logger.warning("A peer sent what is no DICOM: %s", error)
            self._write_last(ABORT_INVALID)
        except (TimeoutError, EOFError):
            self._write_last(ABORT_BY_USER)
        except OSError:
            pass
        finally:
            if self._store:
                self._store.discard()
            self._socket.close()

    @property
    def is_receiving(self) -> bool:
        """Whether an instance is arriving right now."""
        return self._store is not None

    def stop(self, *, at_once: bool = False) -> None:
        """End the association from another thread: after the instance that is arriving, or now.

        The peer gets an A-ABORT, from the session's own thread.
        """
        self._stopping = True
        if at_once or not self.is_receiving:
            try:
                # Of a TLS socket, too, only the bytes below; its state belongs to its thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RD)
            except OSError:
                return

    def _serve(self) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            self._shake_hands(self._socket)
        prepare(self._socket, SEND_SECONDS)
        self._source = source = PduSource(self._socket)
        if not self._negotiate(source):
            return
        source.negotiated()
        self._allow(IDLE_SECONDS)
        while not (self._stopping and self._store is None):
            if not self._take_pdu(*source.read(self._patience(), PDU_SECONDS)):
                return
            if (store := self._store) is not None:
                fragments = source.read_fragments(store.context_id)
                self._deadline += sum(map(len, fragments)) / SLOWEST_RATE
                store.add_all(fragments)
                if not source.has_pdu():
                    store.flush()
        self._write_last(ABORT_BY_USER)

    def _shake_hands(self, sock: ssl.SSLSocket) -> None:
        sock.settimeout(REQUEST_SECONDS)
        try:
            sock.do_handshake()
        except ssl.SSLError as error:
            raise HandshakeFailed("The TLS handshake failed.") from error

    def _allow(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _patience(self) -> float:
        """So many seconds the next PDU may be awaited; what is here already is taken all the same,
        for the delay may have been ours."""
        left = max(self._deadline - time.monotonic(), LEAST_WAIT)
        return min(left, SILENCE_SECONDS) if self._is_within_message else left

    @property
    def _is_within_message(self) -> bool:
        return bool(self._store or self._report or self._command)

    def _negotiate(self, source: PduSource) -> bool:
        deadline = REQUEST_SECONDS
        kind, body = source.read(deadline, deadline)
        if kind != A_ASSOCIATE_RQ:
            raise ProtocolError("An association request was expected.")
        proposal = read_request(bytes(body))
        if rejection := self._decide(self, proposal):
            self._writer.write(encode_reject(rejection))
            return False
        self._proposal, self._looked_at = proposal, time.monotonic()
        self._calling, self._called = proposal.calling_ae_title, proposal.called_ae_title
        events_only = proposal.called_ae_title in self._event_titles
        answer = accept(proposal, MAXIMUM_PDU, events_only=events_only)
        self._contexts = answer.contexts
        self._writer.write(answer.pdu)
        self._writer.set_peer_maximum(proposal.peer_maximum)
        return True

    def _take_pdu(self, kind: int, body: memoryview) -> bool:
        if kind == P_DATA_TF:
            for context_id, is_command, is_last, fragment in split_values(body):
                if is_command:
                    self._take_command(context_id, fragment, is_last)
                else:
                    self._take_data(context_id, fragment, is_last)
            return True
        if kind == A_RELEASE_RQ:
            self._writer.write(RELEASE_RP_PDU)
            return False
        if kind == A_ABORT:
            return False
        raise ProtocolError(f"Unexpected PDU {kind:#04x}.")

    def _take_command(self, context_id: int, fragment: memoryview, is_last: bool) -> None:
        if self._store is not None or self._report is not None:
            raise ProtocolError("A command was not expected here.")
        if len(self._command) + len(fragment) > _LARGEST_COMMAND:
            raise ProtocolError("The command is too long.")
        if self._command and context_id != self._command_context:
            raise ProtocolError("A fragment belongs to another presentation context.")
        if fragment and not self._command:
            self._allow(SILENCE_SECONDS)
        self._command_context = context_id
        self._command += fragment
        self._deadline += len(fragment) / SLOWEST_RATE
        if is_last:
            command = Command(self._command)
            self._command = bytearray()
            self._begin(context_id, command)
            self._allow(SILENCE_SECONDS if self._is_within_message else IDLE_SECONDS)

    def _begin(self, context_id: int, command: Command) -> None:
        if context_id not in self._contexts:
            raise ProtocolError("The presentation context was not accepted.")
        syntax = self._contexts[context_id][1]
        if command.field == C_ECHO_RQ and not command.has_data_set:
            self._writer.write_message(context_id, echo_response(command))
        elif command.field == C_STORE_RQ and command.has_data_set:
            self._store = store = Store(context_id, command, self._spool, syntax, self._calling)
            if not self._is_welcome():
                store.refuse(NOT_AUTHORIZED)
        elif command.field == N_EVENT_REPORT_RQ and command.has_data_set:
            self._report = EventReport(context_id, command, syntax)
        elif command.field != C_CANCEL_RQ:
            raise ProtocolError(f"The command {command.field:#06x} is not served here.")

    def _is_welcome(self) -> bool:
        """Whether the peer may still send; an association can last for days."""
        now = time.monotonic()
        if self._proposal is None or now - self._looked_at < _WELCOME_SECONDS:
            return True
        if not self._may_send(self._proposal):
            return False
        self._looked_at = now
        return True

    def _take_data(self, context_id: int, fragment: memoryview, is_last: bool) -> None:
        self._deadline += len(fragment) / SLOWEST_RATE
        if (report := self._report) is not None:
            report.add(context_id, fragment)
            if is_last:
                self._report = None
                answer = report.keep(self._keep_report, self._calling, self._address)
                self._writer.write_message(context_id, answer)
                self._allow(IDLE_SECONDS)
            return
        store = self._store
        if store is None:
            raise ProtocolError("A data set was not expected here.")
        store.add(context_id, fragment)
        if is_last:
            status = self._finish(store)
            self._store = None
            self._writer.write_message(store.context_id, store_response(store.command, status))
            self._allow(IDLE_SECONDS)

    def _finish(self, store: Store) -> int:
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
                    address=self._address,
                    called_ae_title=self._called,
                    move_originator_ae_title=printable(command.move_originator_ae_title)[:16],
                    move_originator_message_id=command.move_originator_message_id,
                )
            )
        except Exception as error:
            logger.error("An instance could not be kept: %s", type(error).__name__)
            self._spool.remove(file.name)
            return OUT_OF_RESOURCES
        return SUCCESS

    def _write_last(self, pdu: bytes) -> None:
        try:
            self._socket.settimeout(1)
            self._socket.sendall(pdu)
        except (OSError, ValueError):
            return

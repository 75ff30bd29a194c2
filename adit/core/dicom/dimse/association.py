"""One association as its requestor: opened, used by one thread at a time, released or aborted."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from typing import BinaryIO, NoReturn

from .. import ae_titles
from ..cancel import CancelToken
from ..config import LocalConfig, ServerConfig
from ..contexts import Context
from ..errors import (
    DicomError,
    PermanentDicomError,
    TransientDicomError,
    broken,
    broken_after_handshake,
    closed_unanswered,
    from_exception,
    from_rejection,
    own_certificate,
    speaks_tls,
    timed_out,
)
from ..sockets import connect
from .acse import AcceptedContext, Agreement, decode_accept, encode_request
from .commands import C_ECHO_RQ, CommandError, echo_response
from .messages import Message, MessageReader, SinkFor
from .pdus import (
    A_ABORT,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    ABORT_PDU,
    P_DATA_TF,
    RELEASE_RP_PDU,
    RELEASE_RQ_PDU,
    UNEXPECTED_ABORT_PDU,
    PduReader,
    PduWriter,
    ProtocolError,
    TlsRecordError,
)

STRAY_MESSAGES = 16
"""So many answers to what was asked before are overlooked while one is waited for."""

_RELEASE_TIMEOUT = 5.0
_END_TIMEOUT = 0.5
_FAILURES = (OSError, EOFError, ProtocolError, CommandError, struct.error)


def _ssl_context(server: ServerConfig) -> ssl.SSLContext | None:
    try:
        return server.tls.ssl_context() if server.tls else None
    except OSError as error:
        raise own_certificate(server.name, error) from error


class Association:
    """An established association. `open` makes one."""

    def __init__(
        self, server: ServerConfig, local: LocalConfig, cancel: CancelToken, sock: socket.socket
    ) -> None:
        self.server = server
        self.local = local
        self.agreement = Agreement()
        self.used = False
        self.closed = False
        self._cancel = cancel
        self._socket = sock
        self._reader = PduReader(sock)
        self._writer = PduWriter(sock)
        self._killed = False
        self._message_id = 0
        self._messages = MessageReader(self._reader, self._unexpected)
        self._registration = contextlib.ExitStack()

    @classmethod
    def open(
        cls,
        server: ServerConfig,
        local: LocalConfig,
        contexts: Sequence[Context],
        cancel: CancelToken,
        *,
        wait: bool = True,
    ) -> Association:
        """Connects and negotiates `contexts`, once the gate has room.

        Args:
            server: The peer.
            local: Our own side.
            contexts: At most 128.
            cancel: Ends whatever waits.
            wait: Whether to wait for a place at the association gate.

        Raises:
            DicomError: If the peer cannot be reached or does not want us, or there is no place.
            Canceled: If `cancel` is set.
        """
        titles = (
            ae_titles.checked(local.calling_ae_title, "Our own AE title"),
            ae_titles.checked(server.ae_title, f"The AE title of {server.name}"),
        )
        secure = _ssl_context(server)
        with contextlib.ExitStack() as stack:
            if local.association_gate is not None:
                stack.enter_context(local.association_gate(server.name, cancel, wait=wait))
            try:
                sock = connect(
                    server.host,
                    server.port,
                    timeout=local.connect_timeout,
                    ssl_context=secure,
                    cancel=cancel,
                )
            except (OSError, ValueError) as error:
                cancel.check()
                raise from_exception(server.name, error) from error
            association = cls(server, local, cancel, sock)
            association._registration.enter_context(cancel.on_cancel(association.kill))
            association._registration.push(stack.pop_all())
        try:
            association._negotiate(contexts, *titles)
        except BaseException:
            association.abort()
            raise
        return association

    def _negotiate(self, contexts: Sequence[Context], calling: str, called: str) -> None:
        request = encode_request(
            calling_ae_title=calling,
            called_ae_title=called,
            contexts=contexts,
            maximum_pdu=self.local.maximum_pdu,
        )
        self._socket.settimeout(self.local.acse_timeout)
        self._reader.expect(self.local.acse_timeout)
        try:
            self._writer.write(request)
            kind, body = self._reader.read()
            answer = bytes(body)
            if kind != A_ASSOCIATE_AC and (kind != A_ASSOCIATE_RJ or len(answer) < 4):
                self._unexpected(kind, body)
        except _FAILURES as error:
            self._fail(self._refusal(error) or error)
        if kind == A_ASSOCIATE_RJ:
            raise from_rejection(self.server.name, *answer[1:4])
        try:
            pdu = struct.pack(">BxL", kind, len(answer)) + answer
            self.agreement = decode_accept(pdu, contexts)
        except Exception as error:
            raise PermanentDicomError(
                f"{self.server.name} answered the association request unreadably.",
                code="protocol",
                advice="Check that host and port are those of a DICOM server.",
            ) from error
        self._writer.set_peer_maximum(self.agreement.peer_maximum)

    def _refusal(self, error: BaseException) -> BaseException | None:
        """What the end of the connection means that stands in place of an answer.

        With TLS 1.3 the handshake is complete for us before the peer looks at our certificate
        (RFC 8446 4.4.2.4): its alert crosses our request, and gets lost where the connection is
        reset behind it.
        """
        if self._killed or not isinstance(error, (ConnectionError, EOFError, ssl.SSLEOFError)):
            return None
        if not isinstance(self._socket, ssl.SSLSocket):
            return closed_unanswered(self.server.name)
        try:
            self._socket.settimeout(1)
            self._socket.recv(1)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as alert:
            return alert
        except OSError:
            pass
        return broken_after_handshake(self.server.name)

    def next_message_id(self) -> int:
        """Message IDs run from 1 to 65535 and start again."""
        self._message_id = self._message_id % 65535 + 1
        return self._message_id

    def context_for(self, abstract_syntax: str) -> AcceptedContext:
        """The context for a query/retrieve or verification class.

        Raises:
            PermanentDicomError: If the peer did not accept it.
        """
        context = self.agreement.by_class.get(abstract_syntax)
        if context is None:
            raise PermanentDicomError(
                f"{self.server.name} does not offer this service over DIMSE.",
                code="context rejected",
                advice="Check which operations are switched on for this server.",
            )
        return context

    def send(
        self, context: AcceptedContext, command: bytes, data: bytes | BinaryIO | None = None
    ) -> None:
        """Sends a message; each piece must be taken within the network time-out.

        Raises:
            DicomError: If the association broke; it cannot be used any more.
            Canceled: If the token was set.
        """
        self.used = True
        try:
            self._socket.settimeout(self.local.network_timeout)
            self._writer.write_message(context.context_id, command, data)
        except _FAILURES as error:
            self._fail(error, after_sending=True)

    def receive(
        self,
        timeout: float,
        sink_for: SinkFor | None = None,
    ) -> Message:
        """Receives the next message; verifications that the peer sends in between are answered.

        Args:
            timeout: Seconds that may pass without a single byte.
            sink_for: Gives the sink of the message's data set; without it (or if it returns None)
                the data set is gathered in memory.

        Raises:
            DicomError: If the association broke or nothing came; it cannot be used any more.
            Canceled: If the token was set.
        """
        deadline = time.monotonic() + timeout
        try:
            self._socket.settimeout(timeout)
            self._reader.expect(timeout)
            while True:
                # A peer that only verifies us gets no more time for its answer.
                message = self._messages.read(self.agreement.accepted, deadline, sink_for)
                if message.command.field != C_ECHO_RQ:
                    return message
                self._writer.write_message(
                    message.context.context_id, echo_response(message.command)
                )
        except _FAILURES as error:
            self._fail(error)

    def wait(self, timeout: float) -> bool:
        """Waits for the peer to send something; returns whether it did within `timeout` seconds."""
        if self._messages.pending() or (
            isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
        ):
            return True
        try:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(max(0.0, timeout) * 1000))
        except (OSError, ValueError):
            return True  # the following read says what is wrong

    def _unexpected(self, kind: int, body: memoryview | None = None) -> NoReturn:
        self._check_canceled()
        if kind == A_RELEASE_RQ:
            with contextlib.suppress(OSError):
                self._writer.write(RELEASE_RP_PDU)
            self.close()
            raise TransientDicomError(
                f"{self.server.name} released the association before it was done.",
                code="released",
            )
        if kind == A_ABORT:
            reason = "/".join(str(part) for part in body[2:4]) if body is not None else ""
            self.close()
            raise TransientDicomError(
                f"{self.server.name} aborted the association.", code=f"aborted {reason}".strip()
            )
        raise ProtocolError(f"PDU type {kind:#04x} is not expected here.")

    def _fail(self, error: BaseException, *, after_sending: bool = False) -> NoReturn:
        """Ends the association and raises what `error` means."""
        if after_sending and isinstance(error, OSError) and not self._killed:
            # The peer may have said why before it closed.
            with contextlib.suppress(OSError, EOFError, ProtocolError):
                self._socket.settimeout(1)
                self._reader.expect(1)
                kind, body = self._reader.read()
                self._unexpected(kind, body)
        malformed = isinstance(error, (ProtocolError, CommandError, struct.error))
        self.abort(UNEXPECTED_ABORT_PDU if malformed else ABORT_PDU)
        self._check_canceled()
        if isinstance(error, TlsRecordError):
            raise speaks_tls(self.server.name) from error
        if malformed:
            raise TransientDicomError(
                f"{self.server.name} sent something that is not DICOM.", code="protocol"
            ) from error
        if isinstance(error, DicomError):
            raise error
        if isinstance(error, TimeoutError):
            raise timed_out(self.server.name) from error
        if self._killed or isinstance(error, EOFError):
            raise broken(self.server.name) from error
        raise from_exception(self.server.name, error) from error

    def _check_canceled(self) -> None:
        self._cancel.check()

    @property
    def stale(self) -> bool:
        """Whether an idle association was ended by the peer: then there is something to read."""
        return self.closed or self._killed or self.wait(0)

    def release(self) -> None:
        """Ends the association in order (PS3.8 7.2); aborts where the peer does not answer."""
        if self.closed:
            return
        timeout = min(_RELEASE_TIMEOUT, self.local.acse_timeout)
        deadline = time.monotonic() + timeout
        try:
            self._socket.settimeout(timeout)
            self._reader.expect(timeout)
            self._writer.write(RELEASE_RQ_PDU)
            while time.monotonic() < deadline:
                kind, _ = self._reader.read()
                if kind == A_RELEASE_RQ:
                    # Both want to end at once (PS3.8 7.2.2.7): the requestor answers first.
                    self._writer.write(RELEASE_RP_PDU)
                elif kind in (A_RELEASE_RP, A_ABORT):
                    return
                elif kind != P_DATA_TF:
                    break
            self.abort()
        except _FAILURES:
            self.abort()
        finally:
            self.close()

    def abort(self, pdu: bytes = ABORT_PDU) -> None:
        """Ends the association at once (PS3.8 7.3)."""
        if self.closed:
            return
        if not self._killed:
            with contextlib.suppress(OSError):
                self._socket.settimeout(1)
                self._socket.sendall(pdu)
        self.close()

    def kill(self) -> None:
        """Aborts from another thread: whoever waits for the peer wakes up with an error."""
        self._killed = True
        if not isinstance(self._socket, ssl.SSLSocket):
            # Never waits: the other thread may be the one that finds no room to send. A time-out,
            # even the one that it set, would keep us here as long as it.
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0)
                self._socket.send(ABORT_PDU)
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection without a word."""
        self.closed = True
        if self.local.association_gate is not None:
            self._await_end()
        with contextlib.suppress(OSError):
            self._socket.close()
        self._registration.close()

    def _await_end(self) -> None:
        """Lets the peer see the end, so that it does not count this one beside the next."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
            self._socket.settimeout(_END_TIMEOUT)
            deadline = time.monotonic() + _END_TIMEOUT
            while self._socket.recv(65536) and time.monotonic() < deadline:
                pass

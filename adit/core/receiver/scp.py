"""The Storage SCP (PS3.4 Annex B): takes connections and serves each in a thread of its own."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from adit.core.dicom.sockets import tune_socket

from .acceptance import (
    APPLICATION_CONTEXT,
    APPLICATION_CONTEXT_UNKNOWN,
    CALLED_AE_TITLE_UNKNOWN,
    CALLING_AE_TITLE_UNKNOWN,
    LOCAL_LIMIT_EXCEEDED,
    PROTOCOL_VERSION_UNKNOWN,
    TEMPORARY_CONGESTION,
    Rejection,
)
from .allowlist import AllowList, plain_address
from .association_requests import Proposal
from .associations import AssociationCounter
from .event_reports import ReportKeeper
from .refusals import Reason, Refusal
from .session import HandshakeFailed, Keeper, NoRequest, Session
from .spool import Spool

# Out of file descriptors: wait until some are free again.
_ACCEPT_PAUSE = 0.05
# Connections that have not said yet who they are. Beyond that the oldest has to go, so that those
# who only connect keep nobody out.
_MOST_STRANGERS = 128
_DRAIN_PAUSE = 0.02

logger = logging.getLogger(__name__)

_REJECTIONS = {
    Reason.VERSION: PROTOCOL_VERSION_UNKNOWN,
    Reason.CONTEXT: APPLICATION_CONTEXT_UNKNOWN,
    Reason.CALLED: CALLED_AE_TITLE_UNKNOWN,
    Reason.CALLING: CALLING_AE_TITLE_UNKNOWN,
    Reason.ADDRESS: CALLING_AE_TITLE_UNKNOWN,
    Reason.LIMIT: LOCAL_LIMIT_EXCEEDED,
    Reason.UNREADY: TEMPORARY_CONGESTION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorkeeping:
    """Who is let in.

    Attributes:
        ae_title: The receiver's own.
        event_titles: Other titles under which reports of storage commitment come.
        allowed: Gives the allow-list as it is now; None while there is none.
        check_caller: Whether the calling AE title must be on it.
        check_address: Whether the title must call from its own address.
    """

    ae_title: str
    event_titles: frozenset[str]
    allowed: Callable[[], AllowList | None]
    check_caller: bool = True
    check_address: bool = True

    def refuse(self, proposal: Proposal, address: str) -> "Reason | None":
        """Why the association is refused, if it is."""
        if not proposal.is_version_1:
            return Reason.VERSION
        if proposal.application_context not in ("", APPLICATION_CONTEXT):
            return Reason.CONTEXT
        if proposal.called_ae_title not in {self.ae_title, *self.event_titles}:
            return Reason.CALLED
        if not self.check_caller:
            return None
        allowed = self.allowed()
        if allowed is None:
            return Reason.UNREADY
        title = proposal.calling_ae_title
        if not title or not allowed.knows(title):
            return Reason.CALLING
        if self.check_address and not allowed.allows(title, address):
            return Reason.ADDRESS
        return None


class StoreScp:
    """Takes connections from a listening socket, which other processes may share."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        spool: Spool,
        keep: Keeper,
        keep_report: ReportKeeper,
        doorkeeping: Doorkeeping,
        associations: AssociationCounter,
        slot: int = 0,
        refused: Callable[[Refusal], None] = lambda _: None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare to serve.

        Args:
            keep: Makes an arrived instance known.
            slot: The number of this process among those that share `associations`.
            refused: Is told of every association that was refused.
        """
        self._listener = listener
        self._spool = spool
        self._keep = keep
        self._keep_report = keep_report
        self._doorkeeping = doorkeeping
        self._associations = associations
        self._slot = slot
        self._refused = refused
        self._ssl_context = ssl_context
        self._sessions: dict[Session, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, name="store-scp", daemon=True)

    def start(self) -> None:
        """Take connections."""
        self._thread.start()

    def stop(self, drain_seconds: float = 5) -> None:
        """Give instances that are arriving so many seconds, then abort the associations.

        Whoever owns the listening socket has shut it down before.
        """
        self._stopping = True
        deadline = time.monotonic() + drain_seconds
        for session in self._open():
            session.stop()
        while self._open() and time.monotonic() < deadline:
            time.sleep(_DRAIN_PAUSE)
        left = self._open()
        for session in left:
            session.stop(at_once=True)
        for thread in left.values():
            thread.join(5)

    def _open(self) -> dict[Session, threading.Thread]:
        with self._lock:
            return dict(self._sessions)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                sock, address = self._listener.accept()
            except OSError:
                time.sleep(_ACCEPT_PAUSE)
                continue
            try:
                self._begin(sock, plain_address(str(address[0])))
            except (OSError, RuntimeError) as error:
                # The peer is gone again, or there are no threads left.
                logger.warning("A connection could not be served: %s", type(error).__name__)
                sock.close()

    def _begin(self, sock: socket.socket, address: str) -> None:
        tune_socket(sock)
        if self._ssl_context is not None:
            sock = self._ssl_context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        session = Session(
            sock,
            self._spool,
            self._keep,
            lambda session, proposal: self._decide(session, proposal, address),
            self._keep_report,
            address=address,
            event_titles=self._doorkeeping.event_titles - {self._doorkeeping.ae_title},
            may_send=lambda proposal: self._may_send(proposal, address),
        )
        thread = threading.Thread(
            target=self._serve, args=(session, address), name="store-session", daemon=True
        )
        with self._lock:
            self._sessions[session] = thread
            strangers = [one for one in self._sessions if not one.is_accepted]
        if len(strangers) > _MOST_STRANGERS:
            strangers[0].stop(at_once=True)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._sessions.pop(session, None)
            raise

    def _serve(self, session: Session, address: str) -> None:
        try:
            session.run()
        except HandshakeFailed:
            self._refused(Refusal(Reason.TLS, address))
        except NoRequest as error:
            logger.warning("An association request cannot be read: %s", error)
            self._refused(Refusal(Reason.MALFORMED, address))
        except Exception:
            logger.exception("An association ended by an error of the receiver.")
        finally:
            with self._lock:
                self._sessions.pop(session, None)
            if session.is_accepted:
                self._associations.leave(self._slot)

    def _may_send(self, proposal: Proposal, address: str) -> bool:
        reason = self._doorkeeping.refuse(proposal, address)
        if reason is None or reason is Reason.UNREADY:
            return True
        titles = proposal.calling_ae_title, proposal.called_ae_title
        self._refused(Refusal(reason.value, address, *titles))
        return False

    def _decide(self, session: Session, proposal: Proposal, address: str) -> Rejection | None:
        reason = self._doorkeeping.refuse(proposal, address)
        if reason is None and (self._stopping or not self._associations.enter(self._slot)):
            reason = Reason.LIMIT
        if reason is not None:
            titles = proposal.calling_ae_title, proposal.called_ae_title
            self._refused(Refusal(reason.value, address, *titles))
            return _REJECTIONS[reason]
        session.is_accepted = True
        return None

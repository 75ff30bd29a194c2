"""The Storage SCP (PS3.4 Annex B): takes connections and serves each in a thread of its own."""

import logging
import socket
import threading
import time
from collections.abc import Callable

from adit.core.dicom.sockets import tune_socket

from .acceptance import (
    CALLED_AE_TITLE_UNKNOWN,
    CALLING_AE_TITLE_UNKNOWN,
    LOCAL_LIMIT_EXCEEDED,
    Proposal,
)
from .session import Keeper, Session
from .spool import Spool

# Out of file descriptors: wait until some are free again.
_ACCEPT_PAUSE = 0.05

logger = logging.getLogger(__name__)


class StoreScp:
    """Listens for senders."""

    def __init__(
        self,
        *,
        ae_title: str,
        host: str,
        port: int,
        spool: Spool,
        keep: Keeper,
        is_caller_allowed: Callable[[str], bool] = lambda _: True,
        max_associations: int = 100,
    ) -> None:
        """Prepare to listen.

        Args:
            ae_title: Only calls for this AE title are accepted.
            port: 0 takes a free one.
            keep: Makes an arrived instance known.
            is_caller_allowed: Whether a calling AE title may send.
        """
        self.ae_title = ae_title
        self.host = host
        self.port = port
        self._spool = spool
        self._keep = keep
        self._is_caller_allowed = is_caller_allowed
        self._max_associations = max_associations
        self._sessions: dict[Session, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept, name="store-scp", daemon=True)

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=128)
        self.port = self._listener.getsockname()[1]
        self._thread.start()

    def stop(self, timeout: float = 5) -> None:
        """Take no more connections; give instances that are arriving so many seconds, then abort
        the associations."""
        self._stopping = True
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        listener.close()
        with self._lock:
            sessions = dict(self._sessions)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and any(s.is_receiving for s in sessions):
            time.sleep(0.02)
        for session in sessions:
            session.abort()
        for thread in sessions.values():
            thread.join(timeout)

    @property
    def associations(self) -> int:
        """How many connections are open."""
        return len(self._sessions)

    def _accept(self) -> None:
        listener = self._listener
        assert listener is not None
        while not self._stopping:
            try:
                sock, _ = listener.accept()
                tune_socket(sock)
            except OSError:
                time.sleep(_ACCEPT_PAUSE)
                continue
            session = Session(sock, self._spool, self._keep, self._reason_to_reject)
            thread = threading.Thread(
                target=self._serve, args=(session,), name="store-session", daemon=True
            )
            with self._lock:
                self._sessions[session] = thread
            thread.start()

    def _serve(self, session: Session) -> None:
        try:
            session.run()
        except Exception:
            logger.exception("An association ended by an error of the receiver.")
        finally:
            with self._lock:
                self._sessions.pop(session, None)

    def _reason_to_reject(self, proposal: Proposal) -> tuple[int, int, int] | None:
        if proposal.called_ae_title != self.ae_title:
            return CALLED_AE_TITLE_UNKNOWN
        if not self._is_caller_allowed(proposal.calling_ae_title):
            logger.warning("Rejected the unknown AE title %s.", proposal.calling_ae_title)
            return CALLING_AE_TITLE_UNKNOWN
        if self._stopping or self.associations > self._max_associations:
            return LOCAL_LIMIT_EXCEEDED
        return None

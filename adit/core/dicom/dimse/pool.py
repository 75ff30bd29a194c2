"""The associations of one operator to one server: opened when needed, kept for the next request."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..cancel import CancelToken
from ..config import LocalConfig, ServerConfig
from ..contexts import Context
from ..errors import DicomError, TransientDicomError
from .association import Association

# Waited before the second and the third attempt, where the peer is only busy for the moment.
_PAUSES = (0.5, 2.0)
# How long one more association is waited for: so many times as long as the last one took, within
# these seconds. A server that serves one at a time, and refuses none, lets the connection wait
# until the first has ended.
_TIMES_THE_LAST = 20
_PATIENCE_FOR_ONE_MORE = (0.5, 3.0)


class AssociationPool:
    """Lends associations; one given back unharmed serves the next with the same contexts.

    Before another one is opened, those that are idle are released.
    """

    def __init__(
        self, server: ServerConfig, local: LocalConfig, cancel: CancelToken, *, wait: bool = True
    ) -> None:
        self._server = server
        self._local = local
        self._cancel = cancel
        self._wait = wait
        self._lock = threading.Lock()
        self._idle: list[tuple[tuple[Context, ...], Association]] = []
        self._lent: set[Association] = set()
        self._took = _PATIENCE_FOR_ONE_MORE[1]
        # Carry a cancellation of the pool on to the tokens of single associations.
        self._stops = contextlib.ExitStack()

    @contextlib.contextmanager
    def lend(self, contexts: Sequence[Context]) -> Iterator[Association]:
        """Lends an association with `contexts`; after an error it is aborted, else kept.

        Raises:
            DicomError: If none can be opened.
            Canceled: If the token is set.
        """
        association = self.take(contexts)
        try:
            yield association
        except BaseException:
            self.drop(association)
            raise
        self.give_back(contexts, association)

    def take(
        self, contexts: Sequence[Context], *, wait: bool = True, stop: CancelToken | None = None
    ) -> Association:
        """Takes an association; the caller gives it back, releases or drops it.

        Args:
            contexts: What it must have been opened with.
            wait: Without it there is one attempt to open it, and no wait for a place at the gate.
            stop: Ends the opening, and later kills the association, besides the pool's own token.

        Raises:
            DicomError: If none can be opened.
            Canceled: If a token is set.
        """
        self._cancel.check()
        wanted = tuple(contexts)
        while (association := self._take_idle(wanted)) is not None:
            if not association.stale:
                return association
            self.drop(association)
        self.release_idle()
        if stop is not None:
            with self._lock:
                self._stops.enter_context(self._cancel.on_cancel(stop.cancel))
        association = self._open(wanted, wait and self._wait, stop or self._cancel)
        with self._lock:
            self._lent.add(association)
        return association

    def give_back(self, contexts: Sequence[Context], association: Association) -> None:
        """Keeps an association, which no message is under way on, for the next request."""
        with self._lock:
            self._lent.discard(association)
            if not association.closed:
                self._idle.append((tuple(contexts), association))

    def release(self, association: Association) -> None:
        """Ends an association, which no message is under way on, in order."""
        with self._lock:
            self._lent.discard(association)
        association.release()

    def drop(self, association: Association) -> None:
        """Aborts an association."""
        with self._lock:
            self._lent.discard(association)
        association.abort()

    def release_idle(self) -> None:
        """Releases those that nobody uses: some servers serve one association at a time."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, association in idle:
            if association.stale:
                association.abort()
            else:
                association.release()

    def close(self) -> None:
        """Releases the idle ones and aborts those in use."""
        self.release_idle()
        with self._lock:
            lent, self._lent = self._lent, set()
        for association in lent:
            association.abort()
        self._stops.close()

    def _take_idle(self, contexts: tuple[Context, ...]) -> Association | None:
        with self._lock:
            for index, (offered, association) in enumerate(self._idle):
                if offered == contexts:
                    del self._idle[index]
                    self._lent.add(association)
                    return association
        return None

    def _open(self, contexts: tuple[Context, ...], wait: bool, cancel: CancelToken) -> Association:
        local = self._local
        if not wait:
            least, most = _PATIENCE_FOR_ONE_MORE
            patience = max(least, min(most, _TIMES_THE_LAST * self._took))
            local = replace(
                local,
                connect_timeout=min(local.connect_timeout, patience),
                acse_timeout=min(local.acse_timeout, patience),
            )
        for pause in (*(_PAUSES if wait else ()), None):
            started = time.monotonic()
            try:
                association = Association.open(self._server, local, contexts, cancel, wait=wait)
                self._took = time.monotonic() - started
                return association
            except DicomError as error:
                if pause is None or not _worth_waiting(error):
                    raise
                cancel.wait(pause)
        raise AssertionError("The last attempt returns or raises.")


def _worth_waiting(error: DicomError) -> bool:
    """A refusal for the moment; a time-out has taken long enough already."""
    return isinstance(error, TransientDicomError) and error.code.startswith(
        ("rejected", "aborted", "broken")
    )

"""One more association, opened beside those in use: nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..cancel import CancelToken
from ..contexts import Context
from .association import Association
from .pool import AssociationPool


class Opening:
    """Opens an association in a thread of its own.

    A server that serves one association at a time lets the next connection stand without a word,
    until the first has ended.
    """

    def __init__(self, pool: AssociationPool, contexts: Sequence[Context]) -> None:
        """Starts it; there is one attempt, and no wait for a place at the gate."""
        self._pool = pool
        self._contexts = contexts
        self._stop = CancelToken()
        self._association: Association | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._open, name="opening", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            self._association = self._pool.take_beside(self._contexts, self._stop)
        except BaseException as error:
            self._error = error

    @property
    def is_done(self) -> bool:
        """Whether `result` returns at once."""
        return not self._thread.is_alive()

    def result(self) -> Association:
        """The association, which is the caller's now.

        Raises:
            DicomError: If it could not be opened.
            Canceled: If the operator's token is set.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._association is not None
        return self._association

    def stop(self) -> None:
        """Gives it up; what was opened meanwhile is ended in order."""
        in_time = self.is_done
        if not in_time:
            self._stop.cancel()
        self._thread.join()
        if self._association is not None:
            # What the token has reached is broken already.
            (self._pool.release if in_time else self._pool.drop)(self._association)

"""One more association, opened beside those that work: nobody waits for a slow answer to it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..cancel import CancelToken
from ..contexts import Context
from .association import Association
from .pool import AssociationPool


class OneMore:
    """An association that is being opened in a thread; it must be taken or abandoned."""

    def __init__(self, pool: AssociationPool, contexts: Sequence[Context]) -> None:
        self._pool = pool
        self._contexts = tuple(contexts)
        self._token = CancelToken()
        self._association: Association | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._open, name="one-more", daemon=True)
        self._thread.start()

    @property
    def decided(self) -> bool:
        """Whether the server has answered, or was waited for long enough."""
        return not self._thread.is_alive()

    def take(self) -> Association:
        """The association, which is the caller's from now on; waits until that is decided.

        Raises:
            DicomError: If none could be opened.
            Canceled: If the pool's token is set.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._association is not None
        return self._association

    def abandon(self) -> None:
        """Opens it no further; one that came meanwhile is aborted."""
        self._token.cancel()
        self._thread.join()
        if self._association is not None:
            self._pool.drop(self._association)

    def _open(self) -> None:
        try:
            self._association = self._pool.take(self._contexts, wait=False, stop=self._token)
        except BaseException as error:
            self._error = error

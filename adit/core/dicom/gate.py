"""Limits that reach beyond one process: whoever holds them is asked before the network is used."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from .cancel import CancelToken
from .config import ServerConfig


class AssociationGate(Protocol):
    """Counts associations with servers, over all who share the count."""

    def admit(self, server: ServerConfig, cancel: CancelToken) -> AbstractContextManager[object]:
        """A context that is entered before an association is opened and left when it is closed.

        Entering waits until the server has room.

        Raises (when entered):
            TransientDicomError: there was no room for too long.
            Canceled: the token was set.
        """
        ...


class Pace(Protocol):
    """Spreads instances over time."""

    def __call__(self) -> None:
        """Wait until the next instance may pass.

        Raises:
            Canceled: the work was canceled while it waited.
        """
        ...

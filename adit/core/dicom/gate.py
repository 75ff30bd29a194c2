"""Limits that reach beyond one process: whoever holds them is asked before the network is used."""

from __future__ import annotations

from typing import Protocol


class Pace(Protocol):
    """Spreads instances over time."""

    def __call__(self) -> None:
        """Wait until the next instance may pass.

        Raises:
            Canceled: the work was canceled while it waited.
        """
        ...

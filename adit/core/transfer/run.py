"""What the pipeline needs of the run that it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from adit.core.dicom import CancelToken


class Run(Protocol):
    """One attempt at a task, held by a lease."""

    cancel: CancelToken
    folder: Path

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        ...

    def event(self, text: str, level: str = "info") -> None:
        """Add a line to the task's history."""
        ...

    def progress(self, *, now: bool = False, **columns: object) -> None:
        """Note progress columns of the task; raises where the lease was lost."""
        ...

    def guard(self) -> None:
        """Inside a transaction: raise where the lease was lost, else hold it to the end."""
        ...

"""Where the files of one study are put until it is whole."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from adit.core.dicom import PermanentDicomError, TransientDicomError
from adit.core.transfer.layout import SeriesFacts

Writer = Callable[[BinaryIO], object]

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class StudySink(Protocol):
    """Takes the files of one study, each durable when `put` returns.

    Attributes:
        method: how `digest` shows what is there, in words for the receipt.
    """

    name: str
    method: str

    def put(self, series: SeriesFacts, name: str, size: int, write: Writer) -> None:
        """Store a file of `size` bytes under a name that is unique in the study.

        Putting a name again replaces it.

        Raises:
            QuotaExceeded: it does not fit any more.
            OSError: it cannot be written; nothing of it stays.
        """
        ...

    def digest(self, name: str, tail: int) -> str:
        """SHA-256 of the last `tail` bytes of a file as it is read back; "" where there is none."""
        ...

    def sync(self) -> None:
        """Make the names of what was put durable, too."""
        ...

    def complete(self, names: Mapping[str, str]) -> None:
        """Nothing more comes: give the study its place. It consists of `names`, each with the
        Series Instance UID to which it belongs."""
        ...

    def unfinished(self) -> str:
        """Where the study lies that has no place yet, relative to the destination; "" where it has
        one, or needs none."""
        ...


class Space(Protocol):
    """Counts what a folder holds against its quota."""

    def charge(self, size: int) -> None:
        """Count `size` bytes more, or less where it is negative.

        Raises:
            QuotaExceeded: they do not fit; nothing was counted.
        """
        ...


@contextlib.contextmanager
def charged(space: Space | None, size: int, path: Path) -> Iterator[None]:
    """Count the file that is written at `path` within, in place of the one that is there."""
    if space is None:
        yield
        return
    with contextlib.suppress(FileNotFoundError):
        size -= path.stat().st_size
    space.charge(size)
    try:
        yield
    except BaseException:
        space.charge(-size)
        raise


class QuotaExceeded(PermanentDicomError):
    """The quota of the folder is used up."""


def in_words(name: str, err: OSError) -> PermanentDicomError | TransientDicomError:
    """What an error of the file system means for the transfer."""
    if err.errno in _NO_SPACE:
        return TransientDicomError(
            f"{name} is full.", code="disk-full", advice="Make room and retry."
        )
    if err.errno in _NOT_ALLOWED:
        return PermanentDicomError(
            f"{name} cannot be written.",
            code="not-writable",
            advice="Give the worker the right to write to the folder.",
        )
    return TransientDicomError(f"{name}: {err.strerror}", code="os-error")

"""Where an instance gathers while it arrives: in memory at first, in a file when it grows large."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import BinaryIO

from .errors import TransientDicomError
from .instance import FileSlice


class SpillBuffer:
    """Takes the pieces of one data set; `finish` gives them back as bytes or as a FileSlice."""

    def __init__(self, folder: Path | None, threshold: int) -> None:
        self._folder = folder
        self._threshold = threshold
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._size = 0

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Appends `piece`.

        Raises:
            TransientDicomError: If the spill folder cannot take it.
        """
        try:
            self._write(piece)
        except OSError as error:
            raise _disk_error() from error

    def _write(self, piece: bytes | bytearray | memoryview) -> None:
        self._size += len(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._memory += piece
        if self._folder is not None and self._size > self._threshold:
            self._path = self._folder / f"{uuid.uuid4().hex}.spill"
            self._file = self._path.open("xb")
            self._file.write(self._memory)
            self._memory = bytearray()

    def finish(self) -> bytes | FileSlice:
        """Returns what was written; the buffer must not be used any more."""
        if self._file is None:
            return bytes(self._memory)
        assert self._path is not None
        try:
            self._file.close()
        except OSError as error:
            self.discard()
            raise _disk_error() from error
        return FileSlice(self._path, 0, self._size)

    def discard(self) -> None:
        """Drops what was written."""
        self._memory = bytearray()
        if self._file is not None and self._path is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._path.unlink(missing_ok=True)


def _disk_error() -> TransientDicomError:
    return TransientDicomError(
        "There is no space left for what arrives.", code="disk", advice="Free some disk space."
    )

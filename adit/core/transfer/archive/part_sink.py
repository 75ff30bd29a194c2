"""A study as encrypted parts, for the archive of its job."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from adit.core.transfer.archive.parts import (
    DamagedPart,
    PartHead,
    PartReader,
    PartWriter,
    part_name,
    stored_size,
)
from adit.core.transfer.layout import SeriesFacts
from adit.core.transfer.sink import Space, Writer, charged


class PartSink:
    """The parts of one task, in a folder of their own that no other task writes to."""

    method = "stored encrypted, read back and compared by SHA-256"

    def __init__(self, name: str, folder: Path, key: bytes, space: Space | None = None) -> None:
        self.name = name
        self._folder = folder
        self._key = key
        self._space = space

    def put(self, series: SeriesFacts, name: str, size: int, write: Writer) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(name)
        with charged(self._space, stored_size(size), path):
            self._write(path, PartHead(name, size, series), write)

    def _write(self, path: Path, head: PartHead, write: Writer) -> None:
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                writer = PartWriter(file, self._key, head)
                write(writer)  # type: ignore[arg-type]
                writer.finish()
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def digest(self, name: str, tail: int) -> str:
        digest = hashlib.sha256()
        try:
            with PartReader(self._path(name), self._key) as part:
                if part.head.size < tail:
                    return ""
                part.read(part.head.size - tail)
                while chunk := part.read(1 << 20):
                    digest.update(chunk)
        except DamagedPart:
            return ""
        return digest.hexdigest()

    def sync(self) -> None:
        if not self._folder.is_dir():
            return
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def unfinished(self) -> str:
        """The archive holds what has arrived in any case."""
        return ""

    def complete(self, names: Mapping[str, str]) -> None:
        """Remove what a killed run has left half written. The study gets its place in the
        archive when that is assembled."""
        if self._folder.is_dir():
            for partial in self._folder.glob("*.partial"):
                partial.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / part_name(self._key, name)

"""Assembles the archive of a job from its parts, and proves it."""

from __future__ import annotations

import hashlib
import lzma
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, cast

import py7zr
from py7zr.exceptions import ArchiveError
from py7zr.io import Py7zIO, WriterFactory

from adit.core.models import TransferTask
from adit.core.transfer.archive.contents import Contents
from adit.core.transfer.archive.manifest import MANIFEST_NAME, ManifestWriter
from adit.core.transfer.archive.parts import DamagedPart, PartReader
from adit.core.transfer.sink import Space

# The fastest preset: pixel data gains little from more, and each step up halves the speed.
_FILTERS = [
    {"id": lzma.FILTER_LZMA2, "preset": 1},
    {"id": py7zr.FILTER_CRYPTO_AES256_SHA256},
]
# The growing archive is counted against the quota in steps of so many bytes.
_CHARGE = 8 << 20


class BadArchive(Exception):
    """The archive that was just written is not what it should be."""


@dataclass(frozen=True)
class Assembled:
    """The proof of an archive; `files` counts without the manifest."""

    files: int
    size: int
    sha256: str


class Assembly:
    """One attempt to assemble and prove an archive.

    Args:
        target: the file to write; nothing else writes to it.
        manifest: where the manifest may lie meanwhile.
        tick: called often, with the number of files done; raises to stop.
        space: counts the bytes of the archive.
    """

    def __init__(
        self,
        target: Path,
        manifest: Path,
        password: str,
        key: bytes,
        tick: Callable[[int], None],
        space: Space | None = None,
    ) -> None:
        self._target = target
        self._manifest = manifest
        self._password = password
        self._key = key
        self._tick = tick
        self._space = space
        self._charged = 0
        # SHA-256 of every file in the order of the archive: 32 bytes each.
        self._digests: list[bytes] = []

    def write(
        self, job_id: int, created: datetime, tasks: Iterable[TransferTask], contents: Contents
    ) -> int:
        """Write all that is confirmed, and the manifest; returns the number of files.

        Raises:
            DamagedPart: a part is not what the ledger says.
            QuotaExceeded: the archive does not fit.
            OSError: it cannot be written.
        """
        head = {"job": job_id, "created": created.isoformat()}
        with py7zr.SevenZipFile(
            self._target, "w", filters=_FILTERS, password=self._password, header_encryption=True
        ) as archive:
            manifest = ManifestWriter(self._manifest, head)
            for task in tasks:
                self._write_study(archive, manifest, task, contents)
            number = len(self._digests)
            manifest.close()
            with self._manifest.open("rb") as file:
                archive.writef(file, MANIFEST_NAME)
                file.seek(0)
                self._digests.append(hashlib.file_digest(file, "sha256").digest())
        with self._target.open("rb") as file:
            os.fsync(file.fileno())
        self._charge(final=True)
        return number

    def _write_study(
        self,
        archive: py7zr.SevenZipFile,
        manifest: ManifestWriter,
        task: TransferTask,
        contents: Contents,
    ) -> None:
        study = contents.study(task)
        if study is None:
            return
        for file in contents.files(task, study):
            with _CheckedPart(file.part, self._key, file.tail, self._check) as part:
                archive.writef(cast(IO[bytes], part), file.path)
                if part.tail_digest() != file.sha256:
                    raise DamagedPart("a part is not what the ledger says")
                self._digests.append(part.whole.digest())
                manifest.add_file(
                    path=file.path,
                    sop_instance_uid=file.sop_instance_uid,
                    series_instance_uid=file.series_uid,
                    size=part.head.size,
                    sha256=part.whole.hexdigest(),
                )
            self._charge()
        manifest.add_study(
            path=study.path,
            study_instance_uid=study.study_uid,
            instances=study.wanted,
            confirmed=study.confirmed,
            complete=study.confirmed == study.wanted,
        )

    def _check(self) -> None:
        self._tick(len(self._digests))

    def _charge(self, *, final: bool = False) -> None:
        if self._space is None:
            return
        grown = self._target.stat().st_size - self._charged
        if grown >= _CHARGE or (final and grown > 0):
            self._space.charge(grown)
            self._charged += grown

    def refund(self) -> None:
        """The file is gone: count it no more."""
        if self._space is not None and self._charged:
            self._space.charge(-self._charged)
            self._charged = 0

    def prove(self) -> Assembled:
        """Open the archive with its password, unpack it to nowhere, and compare every file.

        Unpacking checks the CRC of every file, too.

        Raises:
            BadArchive: it is damaged, or something else is in it.
        """
        digests = _Digests(self._check)
        try:
            with py7zr.SevenZipFile(self._target, password=self._password) as archive:
                if archive.test() is False:
                    raise BadArchive("its packed data are damaged")
                archive.extractall(factory=digests)
        except (ArchiveError, lzma.LZMAError, EOFError) as err:
            raise BadArchive(f"it cannot be unpacked ({type(err).__name__})") from err
        if digests.found() != self._digests:
            raise BadArchive("a file in it is not what went in")
        with self._target.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Assembled(len(self._digests) - 1, self._target.stat().st_size, sha256)


class _CheckedPart(PartReader):
    """Hashes what is read of a part: all of it, and its last `tail` bytes."""

    def __init__(self, path: Path, key: bytes, tail: int, check: Callable[[], None]) -> None:
        super().__init__(path, key)
        self.whole = hashlib.sha256()
        self._tail = hashlib.sha256()
        self._skip = self.head.size - tail
        self._check = check

    def read(self, size: int | None = -1, /) -> bytes:
        self._check()
        data = super().read(size)
        self.whole.update(data)
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._tail.update(data[skipped:])
        return data

    def tail_digest(self) -> str:
        return "" if self._skip else self._tail.hexdigest()


class _Digest(Py7zIO):
    """Takes an unpacked file and keeps no more of it than its hash."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.hash = hashlib.sha256()
        self._size = 0
        self._check = check

    def write(self, s: bytes | bytearray) -> int:
        self._check()
        self.hash.update(s)
        self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self._size


class _Digests(WriterFactory):
    """The hashes of all unpacked files in their order."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._done: list[bytes] = []
        self._current: _Digest | None = None

    def create(self, filename: str) -> Py7zIO:
        self._close()
        self._current = _Digest(self._check)
        return self._current

    def _close(self) -> None:
        if self._current is not None:
            self._done.append(self._current.hash.digest())
            self._current = None

    def found(self) -> list[bytes]:
        self._close()
        return self._done

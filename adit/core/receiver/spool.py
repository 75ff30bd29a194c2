"""The spool: where arrived instances lie, durably, until a worker has taken them over.

A file gathers as `*.part`, gets its final name by a rename, and is fsynced; only then comes its
row, so that a row always means a complete and durable file. Files are Part 10 files (PS3.10 7.1):
what lies in quarantine can be looked at with any DICOM tool, and a lost row can be made anew.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from adit.core.dicom import DicomInstance, FileSlice
from adit.core.dicom.file_meta import encode_head
from adit.core.dicom.header import read_study_and_series

START_BYTES = 32 * 1024
"""Study and series stand before the pixel data; few headers are longer."""

_NAME = re.compile(r"[0-9a-f]{32}\.dcm")
# File systems in which a rename changes the file's own inode in the same transaction as the folder:
# the sync of the file commits both (ext4 without a journal writes the folder with a file that has
# got a new name). Elsewhere the folder needs a sync of its own, as slow as the file's.
_NAMES_WITH_FILES = frozenset({"ext4", "xfs"})
_SPACE_CHECK_SECONDS = 0.5
# The space on the disk is looked at once for a small instance and again and again for a large one.
_CHECKED_ON_THE_WAY = 4 * 1024 * 1024
_FEW_PIECES = 4
_MOST_PIECES = 512  # IOV_MAX is 1024 on Linux
_LOCK_PAUSE = 0.1


class SpoolError(Exception):
    """The spool cannot be used."""


class SpoolFull(SpoolError):
    """The disk is below the reserve."""


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A complete file in the spool; size, hash and start are those of its encoded data set."""

    name: str
    offset: int
    size: int
    sha256: str
    start: bytes | bytearray = field(default=b"", repr=False)


class Spool:
    """A folder of arrived instances. One receiver owns it."""

    def __init__(self, folder: Path, *, reserve_bytes: int = 0, slot: int = 0) -> None:
        """Use the folder, which is made where it is missing.

        Args:
            reserve_bytes: Space on the disk below which nothing more is taken.
            slot: Which of the receiver's processes writes.
        """
        self.folder = folder
        self.slot = slot
        self._reserve = reserve_bytes
        self._checked_at = 0.0
        self._has_space = True
        self._lock: BinaryIO | None = None
        self._descriptor = -1
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._names_with_files = file_system(folder) in _NAMES_WITH_FILES

    def lock(self, patience: float = 0) -> None:
        """Make this process and its children the spool's only owners, for as long as they live.

        Args:
            patience: So many seconds the children of a killed receiver may take to end.

        Raises:
            SpoolError: Another receiver owns it.
        """
        lock = (self.folder / "owner.lock").open("wb")
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    lock.close()
                    message = f"{self.folder} is in use by another receiver."
                    raise SpoolError(message) from error
                time.sleep(_LOCK_PAUSE)
        self._lock = lock

    def unlock(self) -> None:
        """Give the spool free."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def has_space(self) -> bool:
        """Whether the disk is above the reserve; looks at the disk twice a second at most."""
        now = time.monotonic()
        if now - self._checked_at > _SPACE_CHECK_SECONDS:
            self._has_space = self.free_bytes() > self._reserve
            self._checked_at = now
        return self._has_space

    def free_bytes(self) -> int:
        """Space on the disk that is free."""
        return shutil.disk_usage(self.folder).free

    def writer(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        calling_ae_title: str,
    ) -> "SpoolWriter":
        """Begin a file.

        Raises:
            SpoolFull: The disk is below the reserve.
            OSError: The file cannot be made.
        """
        if not self.has_space():
            raise SpoolFull("The disk is below the reserve.")
        head = encode_head(sop_class_uid, sop_instance_uid, transfer_syntax_uid, calling_ae_title)
        return SpoolWriter(self, head)

    def path(self, name: str) -> Path:
        """Where the file of that name is.

        Raises:
            SpoolError: It is no name of a spooled file, whatever it may be instead.
        """
        if not _NAME.fullmatch(name):
            raise SpoolError("This is no name of a file in the spool.")
        return self.folder / name

    def names(self, *, older_than: float = 0) -> Iterator[str]:
        """The names of all complete files that are older than so many seconds."""
        limit = time.time() - older_than
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        if not older_than or entry.stat().st_ctime < limit:
                            yield entry.name

    def study_and_series(self, file: SpooledFile, transfer_syntax_uid: str) -> tuple[str, str]:
        """The Study and Series Instance UID of a file; "" where there is none to be found."""
        start = file.start
        # Whatever it is that somebody sent, it is kept: what is no data set has no identifiers.
        try:
            study, series = read_study_and_series(start, transfer_syntax_uid)
        except Exception:
            study = series = ""  # as a rule just cut off
        if not series and file.size > len(start):
            piece = FileSlice(self.folder / file.name, file.offset, file.size)
            try:
                found = DicomInstance("", "", transfer_syntax_uid, piece).identifiers()
            except Exception:
                return "", ""
            study, series = found.study_instance_uid, found.series_instance_uid
        return _fitting(study), _fitting(series)

    def remove(self, name: str) -> None:
        """Delete a file; it is no error if it is gone already."""
        self.path(name).unlink(missing_ok=True)

    def sweep_partial_files(self, slot: int | None = None) -> int:
        """Delete what never became complete, of one process or of all; they must have ended."""
        count = 0
        for path in self.folder.glob("*.part" if slot is None else f"{slot}-*.part"):
            path.unlink(missing_ok=True)
            count += 1
        return count

    def sync(self) -> None:
        """Make renames durable, where the files' own syncs have not done so."""
        if self._names_with_files:
            return
        if self._descriptor < 0:
            self._descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(self._descriptor)


def file_system(folder: Path) -> str:
    """The kind of file system that a folder lies in; "" where that cannot be told."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        # proc(5): the third field is the device, and the kind follows a hyphen.
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields = line.split()
            if fields[2] == number:
                return fields[fields.index("-") + 1]
    return ""


def _fitting(uid: str) -> str:
    """The UID, or nothing where the value cannot be one (PS3.5 9.1)."""
    return uid if len(uid) <= 64 and uid.isascii() and "\0" not in uid else ""


class SpoolWriter:
    """A file that gathers. Every writer must be finished or discarded."""

    def __init__(self, spool: "Spool", head: bytes) -> None:
        self._spool = spool
        self._name = f"{os.urandom(16).hex()}.dcm"
        self._path = f"{spool.folder}/{self._name}"
        self._part = f"{spool.folder}/{spool.slot}-{self._name}.part"
        self._digest = hashlib.sha256()
        self._size = 0
        self._head: bytes | None = head
        self._offset = len(head)
        self._start = bytearray()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self._part, flags, 0o600)

    @property
    def size(self) -> int:
        """Bytes of the data set so far."""
        return self._size

    @property
    def start(self) -> bytearray:
        """The first `START_BYTES` of the data set."""
        return self._start

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append pieces of the encoded data set.

        Raises:
            SpoolFull: The disk fell below the reserve meanwhile.
            OSError: The disk is full or broken.
        """
        if len(pieces) > _FEW_PIECES:
            # Each piece costs a turn of the interpreter's lock while it is hashed.
            pieces = [b"".join(pieces)]
        size = 0
        for piece in pieces:
            self._digest.update(piece)
            size += len(piece)
            if len(self._start) < START_BYTES:
                self._start += piece[: START_BYTES - len(self._start)]
        self._size += size
        if self._size > _CHECKED_ON_THE_WAY and not self._spool.has_space():
            raise SpoolFull("The disk is below the reserve.")
        self._write(pieces)

    def finish(self) -> SpooledFile:
        """Make the content durable and give the file its final name.

        The name itself is durable after `Spool.sync`.

        Raises:
            OSError: The disk is full or broken.
        """
        if self._head is not None:
            self._write(())
        # Renamed first, so that the file's own sync takes the name to the disk as well where the
        # file system can; what a crash leaves of it has no row.
        os.rename(self._part, self._path)  # noqa: PTH104
        self._part = self._path
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        sha256 = self._digest.hexdigest()
        return SpooledFile(self._name, self._offset, self._size, sha256, self._start)

    def discard(self) -> None:
        """Drop the file."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = -1
        Path(self._part).unlink(missing_ok=True)

    def _write(self, pieces: Sequence[bytes | memoryview]) -> None:
        if self._head is not None:
            pieces, self._head = [self._head, *pieces], None
        for start in range(0, len(pieces), _MOST_PIECES):
            some = pieces[start : start + _MOST_PIECES]
            written = os.writev(self._file, some)
            if written < sum(map(len, some)):
                rest = memoryview(b"".join(some))
                while written < len(rest):
                    written += os.write(self._file, rest[written:])

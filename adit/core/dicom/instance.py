"""A SOP Instance on its way: its encoded data set, untouched, in memory or in a file."""

from __future__ import annotations

import contextlib
import hashlib
import io
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .file_meta import encode_head
from .header import Identifiers, read_identifiers
from .survey import Survey, survey
from .uids import what_is_wrong

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A range of bytes in a file."""

    path: Path
    offset: int
    size: int


class _SliceReader(io.RawIOBase):
    """Reads a FileSlice as if it were a file of its own."""

    def __init__(self, piece: FileSlice) -> None:
        self._file = piece.path.open("rb", buffering=0)
        self._start = piece.offset
        self._size = piece.size
        self._position = 0
        self._file.seek(piece.offset)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        self._file.seek(self._start + self._position)
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: max(0, self._size - self._position)]
        count = self._file.readinto(view) if view else 0
        self._position += count or 0
        return count or 0

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(slots=True)
class DicomInstance:
    """An instance as it came over the wire.

    Attributes:
        data: The encoded data set without preamble and file meta information, in
            `transfer_syntax_uid`; a FileSlice where the instance is large.
        digest: The SHA-256 of `data`, in hexadecimal, where it is known already.
        surveyed: What a survey of `data` has found, where one was made already.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data: bytes | FileSlice
    digest: str = field(default="", init=False, repr=False, compare=False)
    surveyed: Survey | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def has_writable_uids(self) -> bool:
        """Whether its UIDs can be written at all: broken ones hold other characters than ASCII."""
        uids = (self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid)
        return all(uid.isascii() for uid in uids)

    @property
    def uid_fault(self) -> str:
        """Why no peer can be told of the instance, in words (PS3.5 9.1); "" where one can."""
        for name, wrong in (
            ("SOP Class", what_is_wrong(self.sop_class_uid)),
            ("SOP Instance", what_is_wrong(self.sop_instance_uid, of_instance=True)),
            ("Transfer Syntax", what_is_wrong(self.transfer_syntax_uid)),
        ):
            if wrong:
                return f"its {name} UID {wrong}"
        return ""

    @property
    def size(self) -> int:
        """Bytes of the encoded data set."""
        return self.data.size if isinstance(self.data, FileSlice) else len(self.data)

    def open(self) -> BinaryIO:
        """Opens the encoded data set for reading; the caller closes it."""
        if isinstance(self.data, FileSlice):
            return io.BufferedReader(_SliceReader(self.data), buffer_size=_CHUNK)
        return io.BytesIO(self.data)

    def read(self) -> bytes:
        """The whole encoded data set, in memory."""
        if isinstance(self.data, FileSlice):
            with self.open() as file:
                return file.read()
        return self.data

    def chunks(self) -> Iterator[bytes]:
        """The encoded data set in pieces of bounded size."""
        if not isinstance(self.data, FileSlice):
            yield self.data
            return
        with self.open() as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def sha256(self) -> str:
        """SHA-256 of the encoded data set, in hexadecimal."""
        if self.digest:
            return self.digest
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def file_meta(self) -> bytes:
        """Preamble and file meta information (PS3.10 7.1) for this data set."""
        return encode_head(self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid)

    def write_part10(self, target: Path | BinaryIO) -> None:
        """Writes the instance as a DICOM file. Making it durable (fsync) is the caller's."""
        if isinstance(target, Path):
            with target.open("wb") as file:
                self.write_part10(file)
            return
        target.write(self.file_meta())
        for chunk in self.chunks():
            target.write(chunk)

    def identifiers(self) -> Identifiers:
        """What the data set itself says that it is; reads only the start of the data set.

        Raises:
            MalformedDataSet: If it is no data set in its transfer syntax.
        """
        with self._mapped() as view:
            found = read_identifiers(view, self.transfer_syntax_uid)
            if found.series_instance_uid:
                return found
            # Elements out of their order (PS3.5 7.1) hide others from a reading that ends early.
            return survey(view, self.transfer_syntax_uid).identifiers

    def survey(self) -> Survey:
        """What the data set says that it is, and whether it is all there.

        Raises:
            MalformedDataSet: If it is no data set in its transfer syntax.
        """
        if self.surveyed is not None:
            return self.surveyed
        with self._mapped() as view:
            return survey(view, self.transfer_syntax_uid)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[bytes | memoryview]:
        """The encoded data set; a file is mapped, so that only what is looked at is read."""
        if not isinstance(self.data, FileSlice):
            yield self.data
            return
        with (
            self.data.path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping,
            memoryview(mapping) as whole,
            whole[self.data.offset : self.data.offset + self.data.size] as view,
        ):
            yield view

    def discard(self) -> None:
        """Removes the file of a spilled instance; the instance cannot be read afterwards."""
        if isinstance(self.data, FileSlice):
            with contextlib.suppress(FileNotFoundError):
                self.data.path.unlink()

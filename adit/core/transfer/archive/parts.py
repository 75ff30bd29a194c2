"""One file, encrypted by itself: what a task stores for the archive of its job.

A part is a magic number, 8 random bytes, and chunks. A chunk is its length (4 bytes, big endian)
and an AES-256-GCM ciphertext; its nonce is the random bytes and its number, and the last chunk
says so in its associated data, so that none can be changed, moved or cut off unseen. The first
chunk is a JSON object with the name of the file and the facts of its series.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adit.core.transfer.layout import SeriesFacts

_MAGIC = b"ADITPRT1"
_CHUNK = 1 << 20
_LENGTH = struct.Struct(">I")
_TAG = 16


class DamagedPart(Exception):
    """A part is missing, cut off or changed."""


@dataclass(frozen=True)
class PartHead:
    """What the first chunk says: the file's name and size, and its series."""

    name: str
    size: int
    series: SeriesFacts


def part_name(key: bytes, name: str) -> str:
    """The name under which the part of a file is stored; it tells nothing of the file."""
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:32] + ".part"


def stored_size(size: int) -> int:
    """About what a file of `size` bytes takes as a part."""
    return size + 1024 + (size // _CHUNK + 1) * (_LENGTH.size + _TAG)


class PartWriter(io.RawIOBase):
    """Encrypts what is written to it; `finish` writes the last chunk."""

    def __init__(self, target: BinaryIO, key: bytes, head: PartHead) -> None:
        self._target = target
        self._cipher = AESGCM(key)
        self._prefix = os.urandom(8)
        self._number = 0
        self._buffer = bytearray()
        target.write(_MAGIC + self._prefix)
        fields = {"name": head.name, "size": head.size, "series": asdict(head.series)}
        self._chunk(json.dumps(fields).encode(), b"head")

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._buffer += data
        while len(self._buffer) >= _CHUNK:
            with memoryview(self._buffer) as view:
                chunk = bytes(view[:_CHUNK])
            del self._buffer[:_CHUNK]
            self._chunk(chunk, b"body")
        return len(data)

    def finish(self) -> None:
        self._chunk(bytes(self._buffer), b"last")
        self._buffer.clear()

    def _chunk(self, data: bytes, kind: bytes) -> None:
        nonce = self._prefix + self._number.to_bytes(4, "big")
        sealed = self._cipher.encrypt(nonce, data, kind)
        self._target.write(_LENGTH.pack(len(sealed)) + sealed)
        self._number += 1


class PartReader(io.BufferedIOBase):
    """Decrypts a part as it is read, chunk by chunk.

    Raises:
        DamagedPart: on opening or reading.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._number = 0
        self._buffer = memoryview(b"")
        self._at_end = False
        self._position = 0
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as err:
            raise DamagedPart("a part is missing") from err
        start = self._file.read(len(_MAGIC) + 8)
        if start[: len(_MAGIC)] != _MAGIC or len(start) != len(_MAGIC) + 8:
            self._file.close()
            raise DamagedPart("a part is no part")
        self._prefix = start[len(_MAGIC) :]
        fields = json.loads(self._open_chunk(b"head"))
        self.head = PartHead(fields["name"], fields["size"], SeriesFacts(**fields["series"]))

    def _open_chunk(self, *kinds: bytes) -> bytes:
        (length,) = _LENGTH.unpack(self._read_exactly(_LENGTH.size))
        if not _TAG <= length <= _CHUNK + _TAG:
            raise DamagedPart("a part is damaged")
        sealed = self._read_exactly(length)
        nonce = self._prefix + self._number.to_bytes(4, "big")
        self._number += 1
        for kind in kinds:
            try:
                data = self._cipher.decrypt(nonce, sealed, kind)
            except InvalidTag:
                continue
            self._at_end = kind == b"last"
            return data
        raise DamagedPart("a part is damaged")

    def _read_exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise DamagedPart("a part is cut off")
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Only to ask for the size: to the end, and back to where it was before any reading."""
        self._position = self.head.size + offset if whence == io.SEEK_END else offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.head.size if size is None or size < 0 else size
        pieces = []
        while wanted:
            if not self._buffer:
                if self._at_end:
                    break
                # Body and last chunks have equal lengths at times; the tag tells them apart.
                self._buffer = memoryview(self._open_chunk(b"body", b"last"))
                continue
            pieces.append(bytes(self._buffer[:wanted]))
            wanted -= len(pieces[-1])
            self._buffer = self._buffer[len(pieces[-1]) :]
        data = b"".join(pieces)
        self._position += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        self._buffer = memoryview(b"")
        super().close()

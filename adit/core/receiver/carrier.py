"""Carrying spooled files to a worker: by the shared path, else over FileTransmit."""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from adit.core.dicom import DicomInstance, FileSlice

from .addresses import TOKEN_FILE, ReceiverAddress
from .claims import Claimed
from .client import FileMissing, FileTransmitClient, TransmitError
from .tls import WorkerTls

# Preamble and file meta information before the data set.
_LARGEST_HEAD = 64 * 1024
_TRIES = 2


class Unreachable(Exception):
    """The receiver does not hand out its files now."""


class Corrupt(Exception):
    """What the receiver has is not what it received."""


class Carrier:
    """Carries spooled files to this worker."""

    def __init__(
        self,
        find_receiver: Callable[[str], ReceiverAddress],
        *,
        key: str,
        spill_folder: Path | None,
        spill_threshold: int,
        shared: bool,
        ca: Path | None = None,
    ) -> None:
        """Prepare to carry.

        Args:
            find_receiver: Gives the address of a receiver by its name.
            key: The key of FileTransmit.
            spill_folder: Where instances above the threshold go; None keeps all in memory.
            shared: Whether to look under the receiver's own path first.
            ca: Authorities for the certificates of receivers, besides their fingerprints.
        """
        self._find_receiver = find_receiver
        self._key = key
        self._spill_folder = spill_folder
        self._spill_threshold = spill_threshold
        self._shared = shared
        self._ca = ca
        self._folders: dict[str, Path | None] = {}
        self._receivers: dict[str, ReceiverAddress] = {}
        self._clients: dict[str, FileTransmitClient] = {}

    def fetch(self, row: Claimed) -> DicomInstance:
        """What was received, in memory or in a file of ours, with the SHA-256 that it arrived with.

        The hash is computed here once, for whoever wants it later, too.

        Raises:
            FileNotFoundError: The receiver does not have the file.
            Corrupt: What it has is not what it received.
            Unreachable: The receiver does not hand it out now.
        """
        try:
            path = self._local_path(row)
            if path is None:
                return self._transmitted(row)
            return self._local(row, path)
        except FileMissing as error:
            raise FileNotFoundError(row.path) from error
        except (TransmitError, LookupError) as error:
            raise Unreachable(row.receiver) from error

    def discard(self, row: Claimed) -> bool:
        """Delete the file in the spool, or tell the receiver to; whether it is gone."""
        try:
            if path := self._local_path(row):
                path.unlink(missing_ok=True)
            else:
                self._client(row.receiver).acknowledge(row.path)
        except (OSError, TransmitError, LookupError):
            return False
        return True

    def close(self) -> None:
        """Close the connections to receivers."""
        for client in self._clients.values():
            client.close()

    def forget(self, name: str) -> None:
        """Look up anew where a receiver is, when it is needed again."""
        self._receivers.pop(name, None)
        self._folders.pop(name, None)
        if client := self._clients.pop(name, None):
            client.close()

    def _spills(self, row: Claimed) -> bool:
        return self._spill_folder is not None and row.size > self._spill_threshold

    def _local(self, row: Claimed, path: Path) -> DicomInstance:
        """Read where it lies; a disk can change what it keeps, as a connection can."""
        data: bytes | FileSlice
        if not self._spills(row):
            whole = path.read_bytes()
            if len(whole) < row.size:
                raise Corrupt(row.receiver)
            data = whole[len(whole) - row.size :]
        else:
            target = self._spill_path()
            _link_or_copy(path, target)
            size = target.stat().st_size
            if size < row.size:
                target.unlink()
                raise Corrupt(row.receiver)
            data = FileSlice(target, size - row.size, row.size)
        instance = _instance(row, data)
        if _is_as_received(instance, row):
            return instance
        instance.discard()
        raise Corrupt(row.receiver)

    def _transmitted(self, row: Claimed) -> DicomInstance:
        """Fetched by TCP; tried anew if it differs."""
        for _ in range(_TRIES):
            instance = self._transmit(row)
            if _is_as_received(instance, row):
                return instance
            instance.discard()
        raise Corrupt(row.receiver)

    def _transmit(self, row: Claimed) -> DicomInstance:
        client, largest = self._client(row.receiver), row.size + _LARGEST_HEAD
        data: bytes | FileSlice
        if not self._spills(row):
            gathered = bytearray()
            client.fetch(row.path, gathered.extend, largest=largest)
            data = bytes(memoryview(gathered)[max(0, len(gathered) - row.size) :])
        else:
            target = self._spill_path()
            try:
                with target.open("xb") as file:
                    size = client.fetch(row.path, file.write, largest=largest)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
            data = FileSlice(target, max(0, size - row.size), min(size, row.size))
        return _instance(row, data)

    def _local_path(self, row: Claimed) -> Path | None:
        """Where the file is, if this host sees the receiver's spool; None if not."""
        folder = self._folder(row.receiver)
        path = folder / row.path if folder else None
        return path if path and os.access(path, os.R_OK) else None

    def _folder(self, name: str) -> Path | None:
        """The spool, if the receiver's token lies in it: an equal path of another host does not
        count, nor does a folder in which we may not delete."""
        if not self._shared:
            return None
        if name not in self._folders:
            receiver = self._receiver(name)
            folder = Path(receiver.spool_path)
            try:
                token = (folder / TOKEN_FILE).read_text()
            except (OSError, ValueError):
                token = ""
            is_same = bool(token) and token == receiver.spool_token
            self._folders[name] = folder if is_same and os.access(folder, os.W_OK) else None
        return self._folders[name]

    def _spill_path(self) -> Path:
        assert self._spill_folder is not None
        return self._spill_folder / f"{uuid.uuid4().hex}.received"

    def _receiver(self, name: str) -> ReceiverAddress:
        if name not in self._receivers:
            self._receivers[name] = self._find_receiver(name)
        return self._receivers[name]

    def _client(self, name: str) -> FileTransmitClient:
        if name not in self._clients:
            receiver = self._receiver(name)
            tls = None
            if receiver.fingerprint:
                tls = WorkerTls(fingerprint=receiver.fingerprint, ca=self._ca)
            client = FileTransmitClient(receiver.host, receiver.port, self._key, tls=tls)
            self._clients[name] = client
        return self._clients[name]


def _instance(row: Claimed, data: bytes | FileSlice) -> DicomInstance:
    return DicomInstance(row.sop_class_uid, row.sop_instance_uid, row.transfer_syntax_uid, data)


def _is_as_received(instance: DicomInstance, row: Claimed) -> bool:
    """Whether the hash is that of the row; it is then computed no second time."""
    if instance.size != row.size or instance.sha256() != row.sha256:
        return False
    instance.digest = row.sha256
    return True


def _link_or_copy(source: Path, target: Path) -> None:
    """Get the file without copying it, where both folders are on one disk."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)

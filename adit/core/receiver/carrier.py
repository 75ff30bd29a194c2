"""Carrying spooled files to a worker: by the shared path, else over FileTransmit."""

import logging
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from adit.core.dicom import DicomInstance, FileSlice, TransientDicomError

from .claims import Claimed, ReceiverAddress
from .client import FileMissing, FileTransmitClient, TransmitError

logger = logging.getLogger(__name__)


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
    ) -> None:
        """Prepare to carry.

        Args:
            find_receiver: Gives the address of a receiver by its name.
            key: The key of FileTransmit.
            spill_folder: Where instances above the threshold go; None keeps all in memory.
            shared: Whether to look under the receiver's own path first.
        """
        self._find_receiver = find_receiver
        self._key = key
        self._spill_folder = spill_folder
        self._spill_threshold = spill_threshold
        self._shared = shared
        self._receivers: dict[str, ReceiverAddress] = {}
        self._clients: dict[str, FileTransmitClient] = {}

    def fetch(self, row: Claimed) -> bytes | FileSlice:
        """The encoded data set, in memory or in a file of ours.

        Raises:
            FileNotFoundError: The receiver does not have the file.
            TransientDicomError: The receiver does not hand it out.
        """
        spills = self._spill_folder is not None and row.size > self._spill_threshold
        path = self._local_path(row)
        try:
            if not spills:
                data = path.read_bytes() if path else self._transmit_to_memory(row)
                return data[len(data) - row.size :]
            target = self._spill_path()
            if path:
                _link_or_copy(path, target)
            else:
                with target.open("xb") as file:
                    self._transmit(row, file)
        except TransmitError as error:
            raise TransientDicomError(
                "The receiver does not hand out what it has received.", code="receiver"
            ) from error
        instance = FileSlice(target, target.stat().st_size - row.size, row.size)
        if not path:
            self._check(row, DicomInstance("", "", row.transfer_syntax_uid, instance))
        return instance

    def discard(self, row: Claimed) -> None:
        """Delete the file in the spool, or tell the receiver to; swept later where that fails."""
        path = self._local_path(row)
        try:
            if path:
                path.unlink(missing_ok=True)
            else:
                self._client(row.receiver).acknowledge(row.path)
        except (OSError, TransmitError):
            logger.warning("A file that was taken over stays in the spool until it is swept.")

    def close(self) -> None:
        """Close the connections to receivers."""
        for client in self._clients.values():
            client.close()

    def _local_path(self, row: Claimed) -> Path | None:
        if not self._shared:
            return None
        path = Path(self._receiver(row.receiver).spool_path) / row.path
        return path if os.access(path, os.R_OK) else None

    def _spill_path(self) -> Path:
        assert self._spill_folder is not None
        return self._spill_folder / f"{uuid.uuid4().hex}.received"

    def _transmit_to_memory(self, row: Claimed) -> bytes:
        data = bytearray()
        try:
            self._client(row.receiver).fetch(row.path, data.extend)
        except FileMissing as error:
            raise FileNotFoundError(row.path) from error
        received = bytes(data)
        instance = DicomInstance("", "", "", received[len(received) - row.size :])
        self._check(row, instance)
        return received

    def _transmit(self, row: Claimed, file: BinaryIO) -> None:
        try:
            self._client(row.receiver).fetch(row.path, file.write)
        except FileMissing as error:
            raise FileNotFoundError(row.path) from error

    def _check(self, row: Claimed, instance: DicomInstance) -> None:
        if instance.sha256() != row.sha256:
            raise TransientDicomError(
                "What the receiver handed out is not what it has received.", code="checksum"
            )

    def _receiver(self, name: str) -> ReceiverAddress:
        if name not in self._receivers:
            self._receivers[name] = self._find_receiver(name)
        return self._receivers[name]

    def _client(self, name: str) -> FileTransmitClient:
        if name not in self._clients:
            receiver = self._receiver(name)
            self._clients[name] = FileTransmitClient(receiver.host, receiver.port, self._key)
        return self._clients[name]


def _link_or_copy(source: Path, target: Path) -> None:
    """Get the file without copying it, where both folders are on one disk."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)

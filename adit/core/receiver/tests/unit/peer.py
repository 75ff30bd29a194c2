"""A peer that says what it likes, byte by byte, and a session in the test's own process."""

import contextlib
import socket
import struct
import threading
from pathlib import Path

from adit.core.dicom import CommitmentReport
from adit.core.dicom.dimse.commands import store_request
from adit.core.receiver.session import Arrival, NoRequest, Session
from adit.core.receiver.spool import Spool

CT, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
APPLICATION = b"1.2.840.10008.3.1.1.1"

RELEASE_RQ = struct.pack(">BxL4x", 0x05, 4)
RELEASE_RP = struct.pack(">BxL4x", 0x06, 4)
ABORT = struct.pack(">BxL4x", 0x07, 4)


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def association_request(*contexts: tuple[int, str, str], more: bytes = b"") -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    contexts = contexts or ((1, CT, SYNTAX),)
    items = item(0x10, APPLICATION)
    for number, abstract, syntax in contexts:
        names = item(0x30, abstract.encode()) + item(0x40, syntax.encode())
        items += item(0x20, struct.pack(">Bxxx", number) + names)
    items += item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3") + more)
    titles = b"ADIT_RECEIVER".ljust(16) + b"PEER".ljust(16)
    body = struct.pack(">Hxx", 1) + titles + bytes(32) + items
    return struct.pack(">BxL", 0x01, len(body)) + body


def data_pdu(*values: tuple[int, int, bytes]) -> bytes:
    """A P-DATA-TF of values: context ID, message control header, fragment."""
    body = b"".join(struct.pack(">LBB", len(v) + 2, c, h) + v for c, h, v in values)
    return struct.pack(">BxL", 0x04, len(body)) + body


COMMAND, LAST_COMMAND, DATA, LAST_DATA = 1, 3, 0, 2
STORE = store_request(1, CT, "1.2.3.4")


class SessionUnderTest:
    """A session on one end of a pair of sockets; the test holds the other."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder / "spool")
        self.arrivals: list[Arrival] = []
        self.reports: list[CommitmentReport] = []
        self.peer, own = socket.socketpair()
        self.peer.settimeout(20)
        self.session = Session(
            own,
            self.spool,
            self.arrivals.append,
            lambda session, proposal: None,
            lambda report, sender, address: self.reports.append(report),
        )
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with contextlib.suppress(NoRequest):
            self.session.run()

    def associate(self, *contexts: tuple[int, str, str], more: bytes = b"") -> bytes:
        self.peer.sendall(association_request(*contexts, more=more))
        kind, body = self.read()
        assert kind == 0x02
        return body

    def read(self) -> tuple[int, bytes]:
        """The next PDU; (0, b"") at the end of the connection."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxL", head)
        return kind, self._exactly(length)

    def status(self) -> int:
        """The status of the next response."""
        kind, body = self.read()
        assert kind == 0x04
        position = body.index(struct.pack("<HHL", 0x0000, 0x0900, 2))
        return struct.unpack_from("<H", body, position + 8)[0]

    def ended(self) -> bool:
        """Wait for the end of the session."""
        self.peer.shutdown(socket.SHUT_WR)
        self.thread.join(20)
        return not self.thread.is_alive()

    def leftovers(self) -> list[str]:
        """What lies in the spool and has not been kept."""
        kept = {arrival.file.name for arrival in self.arrivals}
        return [path.name for path in self.spool.folder.iterdir() if path.name not in kept]

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                piece = self.peer.recv(count - len(data))
            except ConnectionError:
                return data
            if not piece:
                return data
            data += piece
        return data

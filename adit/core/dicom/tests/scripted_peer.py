"""A peer that does exactly what a test's script says, well-behaved or not, on a real socket."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from adit.core.dicom import DicomInstance, ServerConfig
from adit.core.dicom.dimse import commands, pdus
from adit.core.dicom.dimse.commands import Command


class Conversation:
    """The acceptor's end of one association; every proposed context is accepted."""

    def __init__(self, sock: socket.socket, maximum: int) -> None:
        self.socket = sock
        self.reader = pdus.PduReader(sock)
        self.writer = pdus.PduWriter(sock)
        self.contexts: dict[tuple[str, str], int] = {}
        self.proposed: list[tuple[str, tuple[str, ...]]] = []
        self._maximum = maximum

    def accept(
        self, reject: Callable[[str, str], bool] = lambda *_: False, answer_syntax: str = ""
    ) -> None:
        kind, body = self.reader.read()
        assert kind == pdus.A_ASSOCIATE_RQ
        request = A_ASSOCIATE_RQ()
        request.decode(struct.pack(">BxL", kind, len(body)) + bytes(body))
        answer: A_ASSOCIATE = request.to_primitive()
        results = []
        for proposed in answer.presentation_context_definition_list:
            item = PresentationContext()
            item.context_id = proposed.context_id
            item.transfer_syntax = [answer_syntax or proposed.transfer_syntax[0]]
            sop_class, syntax = str(proposed.abstract_syntax), str(proposed.transfer_syntax[0])
            self.proposed.append((sop_class, tuple(map(str, proposed.transfer_syntax))))
            item.result = 4 if reject(sop_class, syntax) else 0
            if item.result == 0:
                self.contexts[sop_class, syntax] = int(proposed.context_id or 0)
            results.append(item)
        answer.presentation_context_definition_list = []
        answer.presentation_context_definition_results_list = results
        answer.result = 0
        answer.user_information[0].maximum_length_received = self._maximum
        self.writer.write(A_ASSOCIATE_AC(answer).encode())

    def receive(self) -> tuple[int, Command, bytes]:
        """The next message: context ID, command, data set."""
        command, data, context = bytearray(), bytearray(), 0
        parsed: Command | None = None
        while True:
            kind, body = self.reader.read()
            if kind != pdus.P_DATA_TF:
                raise EOFError(f"PDU {kind}")
            for context_id, is_command, is_last, fragment in pdus.split_values(body):
                context = context_id
                (command if is_command else data).extend(fragment)
                if is_last and is_command:
                    parsed = Command(command)
                    if not parsed.has_data_set:
                        return context, parsed, b""
                elif is_last:
                    assert parsed is not None
                    return context, parsed, bytes(data)

    def respond(self, context_id: int, request: Command, status: int, **counts: int) -> None:
        """A C-FIND, C-GET, C-MOVE or C-STORE response without a data set."""
        elements = {0x0120: request.message_id, 0x0800: 0x0101, 0x0900: status}
        names = {"remaining": 0x1020, "completed": 0x1021, "failed": 0x1022, "warning": 0x1023}
        elements |= {names[name]: value for name, value in counts.items()}
        elements[0x0100] = request.field | 0x8000
        body = b"".join(struct.pack("<HHLH", 0, tag, 2, elements[tag]) for tag in sorted(elements))
        self.writer.write_message(context_id, struct.pack("<HHLL", 0, 0, 4, len(body)) + body)

    def answer(self, context_id: int, request: Command, identifier: bytes) -> None:
        """A pending C-FIND response with its Identifier."""
        elements = {0x0100: 0x8020, 0x0120: request.message_id, 0x0800: 0, 0x0900: 0xFF00}
        body = b"".join(struct.pack("<HHLH", 0, tag, 2, elements[tag]) for tag in sorted(elements))
        command = struct.pack("<HHLL", 0, 0, 4, len(body)) + body
        self.writer.write_message(context_id, command, identifier)

    def send_instance(self, instance: DicomInstance) -> int:
        """A C-STORE sub-operation; returns the status that came back."""
        pair = (instance.sop_class_uid, instance.transfer_syntax_uid)
        request = commands.store_request(1, *pair[:1], instance.sop_instance_uid)
        self.writer.write_message(self.contexts[pair], request, instance.read())
        return self.receive()[1].status

    def abort(self) -> None:
        self.writer.write(pdus.ABORT_PDU)
        self.socket.close()

    def serve_release(self) -> None:
        """Answers a release; returns when the peer is gone."""
        with contextlib.suppress(EOFError, OSError):
            kind, _ = self.reader.read()
            if kind == pdus.A_RELEASE_RQ:
                self.writer.write(pdus.RELEASE_RP_PDU)


class ScriptedPeer:
    """Listens and runs `script` for each connection in a thread of its own."""

    def __init__(self, script: Callable[[Conversation], None], *, maximum: int = 16384) -> None:
        self._script = script
        self._maximum = maximum
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60)
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._run, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self, sock: socket.socket) -> None:
        sock.settimeout(60)
        with contextlib.suppress(EOFError, OSError), sock:
            self._script(Conversation(sock, self._maximum))

    def config(self, **changes: object) -> ServerConfig:
        values: dict[str, object] = {
            "name": "PACS",
            "ae_title": "SCRIPTED",
            "host": "127.0.0.1",
            "port": self.port,
            "study_root_get_support": True,
            "study_root_move_support": True,
            "store_scp_support": True,
            **changes,
        }
        return ServerConfig(**values)  # type: ignore[arg-type]

    def close(self) -> None:
        self._listener.close()


@contextlib.contextmanager
def scripted(
    script: Callable[[Conversation], None], *, maximum: int = 16384
) -> Iterator[ScriptedPeer]:
    """Runs a scripted peer for the time of the block."""
    peer = ScriptedPeer(script, maximum=maximum)
    try:
        yield peer
    finally:
        peer.close()

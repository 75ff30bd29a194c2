"""C-GET as its user, and as the provider of the storage sub-operations (PS3.4 C.4.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import DicomError, PermanentDicomError, TransientDicomError
from ..instance import DicomInstance
from ..spill import SpillBuffer
from . import commands
from .acse import AcceptedContext
from .association import Association
from .commands import Command
from .identifiers import encode_identifier
from .messages import Message
from .progress import ProgressClock, RetrieveReport, no_progress

_OUT_OF_RESOURCES = 0xA700


class _SpillSink:
    """A sink that remembers when the disk fails, as the rest of the message must still be read."""

    def __init__(self, folder: Path | None, threshold: int) -> None:
        self._buffer = SpillBuffer(folder, threshold)
        self.error: DicomError | None = None

    def write(self, piece: memoryview) -> None:
        if self.error is None:
            try:
                self._buffer.write(piece)
            except DicomError as error:
                self.error = error
                self._buffer.discard()

    def instance(self, command: Command, context: AcceptedContext) -> DicomInstance | None:
        """What came, or None where the disk did not take it."""
        if self.error is not None:
            return None
        try:
            data = self._buffer.finish()
        except DicomError as error:
            self.error = error
            return None
        return DicomInstance(
            sop_class_uid=command.sop_class_uid or context.abstract_syntax,
            sop_instance_uid=command.sop_instance_uid,
            transfer_syntax_uid=context.transfer_syntax,
            data=data,
        )

    def discard(self) -> None:
        self._buffer.discard()


def get(
    association: Association,
    model_uid: str,
    keys: Mapping[str, str],
    report: RetrieveReport,
    spill_folder: Path | None,
) -> Iterator[DicomInstance]:
    """Sends C-GET and yields the instances as they come, undecoded.

    The next instance is read when the consumer asks for it: a consumer that is busy holds the peer
    back. A consumer that stops early aborts the association.

    Args:
        association: With a context for `model_uid` and contexts for the instances.
        model_uid: The query/retrieve model.
        keys: The Identifier.
        report: Filled in on the way; the final response is in it at the end.
        spill_folder: Where large instances go while they arrive.

    Raises:
        DicomError: If the association broke or nothing new came for too long.
    """
    local, server = association.local, association.server.name
    context = association.context_for(model_uid)
    identifier = encode_identifier(
        keys, context.transfer_syntax, association.server.character_set_fallback
    )
    message_id = association.next_message_id()
    request = commands.query_request(commands.C_GET_RQ, message_id, model_uid)
    association.send(context, request, identifier)
    clock = ProgressClock(local.progress_timeout)
    sink: _SpillSink | None = None

    def sink_for(command: Command, _context: AcceptedContext) -> _SpillSink | None:
        nonlocal sink
        if command.field != commands.C_STORE_RQ:
            return None
        sink = _SpillSink(spill_folder, local.spill_threshold)
        return sink

    finished = False
    try:
        while not finished:
            clock.check(server, max(report.received, report.promised or 0))
            try:
                message = association.receive(max(clock.left, 0.1), sink_for)
            except TransientDicomError as error:
                # The last wait before the progress time-out ends with a time-out of the socket.
                if error.code == "timeout" and clock.left <= 0:
                    raise no_progress(server, local.progress_timeout) from error
                raise
            if message.command.field == commands.C_STORE_RQ:
                clock.advance()
                if sink is None:
                    raise TransientDicomError(
                        f"{server} sent an instance without a data set.", code="protocol"
                    )
                arrived, sink = sink, None
                instance = arrived.instance(message.command, message.context)
                status = commands.STATUS_SUCCESS if instance else _OUT_OF_RESOURCES
                # The peer prepares the next one while this one is looked at.
                try:
                    association.send(
                        message.context, commands.store_response(message.command, status)
                    )
                except BaseException:
                    if instance is not None:
                        instance.discard()
                    raise
                if instance is None:
                    report.error = arrived.error
                    continue
                report.received += 1
                since = time.monotonic()
                del arrived, message
                yield instance
                del instance
                clock.pause(since)
                continue
            if message.command.answers(message_id):
                finished = _take_response(message, report, clock, server)
    finally:
        if sink is not None:
            sink.discard()
        if not finished:
            association.abort()


def _take_response(
    message: Message, report: RetrieveReport, clock: ProgressClock, server: str
) -> bool:
    command = message.command
    if command.field != commands.C_GET_RSP:
        raise PermanentDicomError(
            f"{server} sent a message that does not belong to a C-GET.", code="protocol"
        )
    if report.update_of_get(command):
        clock.advance()
    if command.pending:
        return False
    report.status = command.status
    return True

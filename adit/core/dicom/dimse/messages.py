"""DIMSE messages, put together from the presentation data values that carry them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

from .acse import AcceptedContext
from .commands import Command
from .pdus import P_DATA_TF, SLOWEST_RATE, PduReader, ProtocolError, split_values

_LARGEST_COMMAND = 64 * 1024
_LARGEST_IN_MEMORY = 16 * 1024 * 1024


class Sink(Protocol):
    """Takes the fragments of a data set."""

    def write(self, piece: memoryview, /) -> object: ...


@dataclass(slots=True)
class Message:
    """A DIMSE message; `data` is the data set, or the sink that took it, or None."""

    context: AcceptedContext
    command: Command
    data: bytearray | Sink | None


SinkFor = Callable[[Command, AcceptedContext], Sink | None]


class MessageReader:
    """Reads messages; one PDU may hold the end of a message and the start of the next.

    Args:
        reader: Where the PDUs come from.
        on_other_pdu: Called for each that carries no message; raises what it means.
    """

    def __init__(
        self, reader: PduReader, on_other_pdu: Callable[[int, memoryview], NoReturn]
    ) -> None:
        self._reader = reader
        self._on_other_pdu = on_other_pdu
        self._deadline = 0.0
        self._values: Iterator[tuple[int, bool, bool, memoryview]] = iter(())

    def pending(self) -> bool:
        """Whether bytes were read that belong to the next message."""
        value = next(self._values, None)
        if value is not None:
            self._values = itertools.chain([value], self._values)
            return True
        return self._reader.pending()

    def read(
        self,
        contexts: Mapping[int, AcceptedContext],
        deadline: float,
        sink_for: SinkFor | None = None,
    ) -> Message:
        """Puts a message together (PS3.7 6.3.1, PS3.8 Annex E): its command set, its data set.

        Args:
            contexts: The accepted ones by their ID.
            deadline: On the monotonic clock; each byte of substance moves it a little.
            sink_for: Gives the sink of the message's data set; without it (or if it returns None)
                the data set is gathered in memory.

        Raises:
            ProtocolError: If the fragments make no message.
            CommandError: If the command set cannot be read.
            TimeoutError: If the deadline passed.
            EOFError, OSError: If the connection ended.
        """
        self._deadline = deadline
        encoded_command = bytearray()
        command: Command | None = None
        context: AcceptedContext | None = None
        data: bytearray | Sink | None = None
        while True:
            context_id, is_command, is_last, fragment = self._next_value()
            if context is None:
                context = contexts.get(context_id)
            if context is None or context.context_id != context_id:
                raise ProtocolError("A fragment came in a context that is not that of a message.")
            if is_command != (command is None):
                raise ProtocolError("A command set and a data set are mixed up.")
            if command is None:
                encoded_command += fragment
                if len(encoded_command) > _LARGEST_COMMAND:
                    raise ProtocolError("The command set does not end.")
                if not is_last:
                    continue
                command = Command(encoded_command)
                if not command.has_data_set:
                    return Message(context, command, None)
                data = sink_for(command, context) if sink_for else None
                if data is None:
                    data = bytearray()
                continue
            assert data is not None
            if isinstance(data, bytearray):
                data += fragment
                if len(data) > _LARGEST_IN_MEMORY:
                    raise ProtocolError("The data set of an answer does not end.")
            else:
                data.write(fragment)
            if is_last:
                return Message(context, command, data)

    def _next_value(self) -> tuple[int, bool, bool, memoryview]:
        """The next presentation data value; PDUs are read as needed."""
        while True:
            value = next(self._values, None)
            if value is not None:
                # What carries nothing gives no more time.
                self._deadline += len(value[3]) / SLOWEST_RATE
                return value
            if time.monotonic() > self._deadline:
                raise TimeoutError("The peer sends nothing of substance.")
            kind, body = self._reader.read()
            if kind != P_DATA_TF:
                self._on_other_pdu(kind, body)
            self._values = split_values(body)

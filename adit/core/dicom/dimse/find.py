"""C-FIND and C-ECHO as their user (PS3.4 C.4.1, PS3.7 9.1.5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from ..attributes import Attributes, from_data_set
from ..cancel import Canceled
from ..errors import DicomError, TransientDicomError, from_dimse_status, repeats_itself
from . import commands
from .acse import AcceptedContext
from .association import STRAY_MESSAGES, Association
from .identifiers import encode_identifier

VERIFICATION = "1.2.840.10008.1.1"
_DRAIN_LIMIT = 1000
_DRAIN_TIMEOUT = 5.0
_LONGEST_DRAIN = 10.0
# Equal answers in a row, after which a server is believed to answer "pending" for ever.
_MOST_REPETITIONS = 500


def _stray(association: Association, service: str) -> DicomError:
    association.abort()
    return TransientDicomError(
        f"{association.server.name} sent a message that does not belong to a {service}.",
        code="protocol",
    )


def echo(association: Association) -> None:
    """Sends C-ECHO.

    Raises:
        DicomError: If the peer does not answer with success.
    """
    context = association.context_for(VERIFICATION)
    message_id = association.next_message_id()
    association.send(context, commands.echo_request(message_id, VERIFICATION))
    command = association.receive(association.local.network_timeout).command
    if command.field != commands.C_ECHO_RSP:
        raise _stray(association, "C-ECHO")
    status = command.status
    if status != commands.STATUS_SUCCESS:
        raise from_dimse_status(association.server.name, "C-ECHO", status)


def find(
    association: Association,
    model_uid: str,
    keys: Mapping[str, str],
    on_warning: Callable[[], None],
) -> Iterator[Attributes]:
    """Sends C-FIND and yields the answers as they come.

    When the consumer stops early, the peer is told (C-CANCEL) and its remaining answers are read,
    so that the association can be used again.

    Args:
        association: With a context for `model_uid`.
        model_uid: The query/retrieve model.
        keys: Matching and return keys, QueryRetrieveLevel included.
        on_warning: Called if the peer ends with a warning, so says that there is more.

    Raises:
        DicomError: If the peer fails.
    """
    context = association.context_for(model_uid)
    fallback = association.server.character_set_fallback
    identifier = encode_identifier(keys, context.transfer_syntax, fallback)
    message_id = association.next_message_id()
    association.send(
        context, commands.query_request(commands.C_FIND_RQ, message_id, model_uid), identifier
    )
    ended = False
    previous: object = None
    repeated = strays = 0
    try:
        while True:
            message = association.receive(association.local.network_timeout)
            command = message.command
            if command.field != commands.C_FIND_RSP or strays > STRAY_MESSAGES:
                raise _stray(association, "C-FIND")
            if not command.answers(message_id):
                # Late, to a query that was canceled: its end is not the end of this one.
                strays += 1
                continue
            if command.pending:
                repeated = repeated + 1 if message.data == previous else 0
                if repeated >= _MOST_REPETITIONS:
                    raise repeats_itself(association.server.name)
                previous = message.data
                # An answer without a data set (which PS3.4 C.4.1.1.4 wants) is one that cannot be
                # read: whoever asked must know that it came.
                data = bytes(message.data) if isinstance(message.data, bytearray) else b""
                yield from_data_set(data, context.transfer_syntax, fallback)
                continue
            ended = True
            if command.status == commands.STATUS_SUCCESS:
                return
            if command.status >> 12 == 0xB:
                on_warning()
                return
            raise from_dimse_status(association.server.name, "C-FIND", command.status)
    except GeneratorExit:
        if not ended:
            _cancel(association, context, message_id)
        raise


def _cancel(association: Association, context: AcceptedContext, message_id: int) -> None:
    """Ends a C-FIND early (PS3.7 9.3.2.3); a peer that goes on answering loses the association."""
    try:
        association.send(context, commands.cancel_request(message_id))
        deadline = time.monotonic() + _LONGEST_DRAIN
        for _ in range(_DRAIN_LIMIT):
            if time.monotonic() > deadline:
                break
            command = association.receive(_DRAIN_TIMEOUT).command
            if command.answers(message_id) and not command.pending:
                return
    except (DicomError, Canceled):
        pass
    association.abort()

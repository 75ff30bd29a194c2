"""C-MOVE as its user (PS3.4 C.4.2). The instances arrive elsewhere: at the move destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .. import ae_titles
from ..errors import PermanentDicomError
from . import commands
from .association import Association
from .identifiers import encode_identifier
from .progress import ProgressClock, RetrieveReport

# The clock may be advanced by what arrives elsewhere, so it is looked at now and then.
_LONGEST_WAIT = 5.0


def move(
    association: Association,
    model_uid: str,
    keys: Mapping[str, str],
    destination_ae_title: str,
    message_id: int,
    report: RetrieveReport,
    clock: ProgressClock,
    arrived: Callable[[], int] = lambda: 0,
) -> None:
    """Sends C-MOVE and waits for the final response.

    Args:
        association: With a context for `model_uid`.
        model_uid: The query/retrieve model.
        keys: The Identifier.
        destination_ae_title: Where the peer shall send to.
        message_id: Of the request.
        report: Filled in on the way.
        clock: Advanced by responses that tell something new; whoever sees the instances arrive
            advances it, too.
        arrived: How many instances were seen to arrive.

    Raises:
        DicomError: If the association broke or nothing new came for too long, or the AE title is
            none.
    """
    destination = ae_titles.checked(destination_ae_title, "The AE title to send to")
    server = association.server.name
    context = association.context_for(model_uid)
    identifier = encode_identifier(
        keys, context.transfer_syntax, association.server.character_set_fallback
    )
    request = commands.query_request(commands.C_MOVE_RQ, message_id, model_uid, destination)
    association.send(context, request, identifier)
    try:
        while report.status is None:
            clock.check(server, max(arrived(), report.announced))
            if not association.wait(min(clock.left, _LONGEST_WAIT)):
                continue
            command = association.receive(association.local.network_timeout).command
            if command.field != commands.C_MOVE_RSP:
                raise PermanentDicomError(
                    f"{server} sent a message that does not belong to a C-MOVE.", code="protocol"
                )
            if not command.answers(message_id):
                continue
            if report.update(command):
                clock.advance()
            if not command.pending:
                report.status = command.status
    finally:
        if report.status is None:
            association.abort()

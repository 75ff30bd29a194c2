"""C-STORE as its user (PS3.4 Annex B): the encoded data set goes out as it is."""

from __future__ import annotations

from ..errors import TransientDicomError
from ..instance import DicomInstance, FileSlice
from . import commands
from .acse import AcceptedContext
from .association import STRAY_MESSAGES, Association


def send_store(association: Association, context: AcceptedContext, instance: DicomInstance) -> int:
    """Sends one instance in a context of its class and syntax, and returns the Message ID.

    Raises:
        DicomError: If the association broke.
        OSError: If the file of the instance cannot be read; the association cannot be used then.
    """
    assert context.transfer_syntax == instance.transfer_syntax_uid
    message_id = association.next_message_id()
    request = commands.store_request(message_id, instance.sop_class_uid, instance.sop_instance_uid)
    if isinstance(instance.data, FileSlice):
        with instance.open() as file:
            association.send(context, request, file)
    else:
        association.send(context, request, instance.data)
    return message_id


def receive_status(association: Association, message_id: int) -> int:
    """Waits for the answer to a C-STORE and returns the peer's status.

    Raises:
        DicomError: If the association broke, or no answer came.
    """
    for _ in range(STRAY_MESSAGES):
        command = association.receive(association.local.network_timeout).command
        if command.field == commands.C_STORE_RSP and command.answers(message_id):
            return command.status
    association.abort()
    raise TransientDicomError(
        f"{association.server.name} did not answer what it was asked.", code="protocol"
    )


def store(association: Association, context: AcceptedContext, instance: DicomInstance) -> int:
    """Sends one instance and returns the peer's status; raises as the two parts do."""
    return receive_status(association, send_store(association, context, instance))

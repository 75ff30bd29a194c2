"""C-STORE as its user (PS3.4 Annex B): the encoded data set goes out as it is."""

from __future__ import annotations

from ..instance import DicomInstance, FileSlice
from . import commands
from .acse import AcceptedContext
from .association import Association


def store(association: Association, context: AcceptedContext, instance: DicomInstance) -> int:
    """Sends one instance in a context of its class and syntax, and returns the peer's status.

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
    while True:
        command = association.receive(association.local.network_timeout).command
        if command.field == commands.C_STORE_RSP and command.responded_to in (0, message_id):
            return command.status

"""C-STORE as requestor: sends archived instances as the bytes they are."""

import socket
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import PresentationContext

from .archive import ArchivedInstance, recoded

MAXIMUM_PDU = 131072
MOST_CONTEXTS = 128
UNCOMPRESSED: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


@dataclass(frozen=True, slots=True)
class MoveOriginator:
    """Who asked for the C-MOVE that a C-STORE belongs to (PS3.7 9.1.1)."""

    ae_title: str
    message_id: int


def set_socket_options(event: evt.Event) -> None:
    """Handler of EVT_CONN_OPEN: without TCP_NODELAY each C-STORE waits for a delayed ACK."""
    association_socket = event.assoc.dul.socket
    sock = association_socket.socket if association_socket else None
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def contexts_for(instances: Iterable[ArchivedInstance]) -> list[PresentationContext]:
    """One context per SOP class and syntax at hand, and an uncompressed one per class."""
    pairs = {(item.sop_class_uid, item.transfer_syntax_uid): None for item in instances}
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in pairs]
    classes = dict.fromkeys(sop_class for sop_class, _ in pairs)
    contexts += [build_context(sop_class, UNCOMPRESSED) for sop_class in classes]
    return contexts[:MOST_CONTEXTS]


def associate(
    calling_ae_title: str,
    called_ae_title: str,
    address: tuple[str, int],
    instances: Collection[ArchivedInstance],
) -> Association:
    """Open an association to a Storage SCP; the caller looks whether it is established."""
    ae = ApplicationEntity(calling_ae_title)
    ae.connection_timeout = 10
    ae.maximum_pdu_size = MAXIMUM_PDU
    return ae.associate(
        *address,
        contexts=contexts_for(instances),
        ae_title=called_ae_title,
        max_pdu=MAXIMUM_PDU,
        evt_handlers=[(evt.EVT_CONN_OPEN, set_socket_options)],
    )


def send_instance(
    assoc: Association,
    instance: ArchivedInstance,
    message_id: int,
    originator: MoveOriginator | None = None,
    *,
    stop_half_way: bool = False,
) -> int | None:
    """Send one C-STORE and return the status of its answer.

    Args:
        stop_half_way: Send the command and half of the data set, nothing more.

    Returns:
        The status, or None where no context fits or no answer came.
    """
    context = _context(assoc, instance)
    if context is None or context.context_id is None:
        return None
    syntax = context.transfer_syntax[0]
    same = syntax == instance.transfer_syntax_uid
    request = C_STORE()
    request.MessageID = message_id
    request.AffectedSOPClassUID = instance.sop_class_uid
    request.AffectedSOPInstanceUID = instance.sop_instance_uid
    request.Priority = 2
    if originator:
        request.MoveOriginatorApplicationEntityTitle = originator.ae_title
        request.MoveOriginatorMessageID = originator.message_id
    request.DataSet = BytesIO(instance.encoded() if same else recoded(instance, syntax))
    if stop_half_way:
        _send_half(assoc, request, context.context_id)
        return None
    with _reading_ourselves(assoc):
        assoc.dimse.send_msg(request, context.context_id)
        _, response = assoc.dimse.get_msg(block=True)
    return response.Status if isinstance(response, C_STORE) else None


@contextmanager
def _reading_ourselves(assoc: Association) -> Iterator[None]:
    """Pause the reactor of an association that we opened, so that it does not take the answer.

    The reactor of an association that a peer opened is the caller itself.
    """
    if assoc.is_acceptor:
        yield
        return
    assoc._reactor_checkpoint.clear()
    while not assoc._is_paused:
        time.sleep(0.0001)
    try:
        yield
    finally:
        assoc._reactor_checkpoint.set()


def _context(assoc: Association, instance: ArchivedInstance) -> PresentationContext | None:
    fitting = [
        context
        for context in assoc.accepted_contexts
        if context.abstract_syntax == instance.sop_class_uid and context.as_scu
    ]
    for context in fitting:
        if context.transfer_syntax[0] == instance.transfer_syntax_uid:
            return context
    return next((item for item in fitting if item.transfer_syntax[0] in UNCOMPRESSED), None)


def _send_half(assoc: Association, request: C_STORE, context_id: int) -> None:
    assert request.DataSet is not None
    data = request.DataSet.getvalue()
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    for pdata in message.encode_msg(context_id, assoc.dimse.maximum_pdu_size):
        _, fragment = pdata.presentation_data_value_list[0]
        if not fragment[0] & 1:  # the command is out, what follows is the data set
            break
        assoc.dul.send_pdu(pdata)
    pdata = P_DATA()
    half = data[: min(len(data) // 2, 8192)]
    pdata.presentation_data_value_list.append((context_id, b"\x00" + half))
    assoc.dul.send_pdu(pdata)

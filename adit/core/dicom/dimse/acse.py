"""Negotiating an association (PS3.8 section 7.1): the request and the reading of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC as AssociateAccept
from pynetdicom.pdu import A_ASSOCIATE_RQ as AssociateRequest
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from ..contexts import Context
from ..file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A presentation context that the peer accepted."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(slots=True)
class Agreement:
    """What requestor and acceptor agreed on.

    Attributes:
        accepted: The accepted contexts by their ID.
        rejected: Result/reason (PS3.8 Table 9-18) of each other one that was proposed.
        scp_classes: The classes that the peer lets us be the provider of (PS3.7 D.3.3.4).
        peer_maximum: Maximum Length of the peer; 0 means no limit.
    """

    accepted: dict[int, AcceptedContext] = field(default_factory=dict)
    rejected: dict[Context, int] = field(default_factory=dict)
    peer_maximum: int = 0
    scp_classes: set[str] = field(default_factory=set)
    by_pair: dict[tuple[str, str], AcceptedContext] = field(default_factory=dict)
    by_class: dict[str, AcceptedContext] = field(default_factory=dict)


def encode_request(
    *,
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Sequence[Context],
    maximum_pdu: int,
) -> bytes:
    """Encodes an A-ASSOCIATE-RQ; the contexts get the IDs 1, 3, 5, …"""
    assert 0 < len(contexts) <= 128
    request = A_ASSOCIATE()
    request.application_context_name = UID(_APPLICATION_CONTEXT)
    request.calling_ae_title = calling_ae_title
    request.called_ae_title = called_ae_title
    proposed = []
    for index, context in enumerate(contexts):
        item = PresentationContext()
        item.context_id = 2 * index + 1
        item.abstract_syntax = UID(context.abstract_syntax)
        item.transfer_syntax = [UID(uid) for uid in context.transfer_syntaxes]
        proposed.append(item)
    request.presentation_context_definition_list = proposed
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = maximum_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    request.user_information = [maximum, implementation, version, *_roles(contexts)]
    return AssociateRequest(request).encode()


def _roles(contexts: Sequence[Context]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """PS3.7 D.3.3.4: for C-GET we are the SCP of the storage classes; one item for each class."""
    items = []
    for uid in dict.fromkeys(c.abstract_syntax for c in contexts if c.as_scp):
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid = UID(uid)
        role.scu_role = False
        role.scp_role = True
        items.append(role)
    return items


def decode_accept(pdu: bytes, contexts: Sequence[Context]) -> Agreement:
    """Reads an A-ASSOCIATE-AC as the answer to a request with `contexts`.

    Raises:
        Exception: Whatever the reading of a malformed PDU raises.
    """
    accept = AssociateAccept()
    accept.decode(pdu)
    agreement = Agreement()
    results = {item.context_id: item for item in accept.presentation_context}
    for index, context in enumerate(contexts):
        item = results.get(2 * index + 1)
        if item is None or item.result != 0:
            agreement.rejected[context] = 3 if item is None else int(item.result or 0)
            continue
        syntax = str(item.transfer_syntax or "").strip(" \0")
        if syntax not in context.transfer_syntaxes:
            # Accepted with a syntax that was not proposed (PS3.8 9.3.3.2): not to be trusted.
            agreement.rejected[context] = 4
            continue
        accepted = AcceptedContext(2 * index + 1, context.abstract_syntax, syntax)
        agreement.accepted[accepted.context_id] = accepted
        agreement.by_pair.setdefault((accepted.abstract_syntax, syntax), accepted)
        agreement.by_class.setdefault(accepted.abstract_syntax, accepted)
    if accept.user_information is not None:
        agreement.peer_maximum = accept.user_information.maximum_length or 0
        roles = accept.user_information.role_selection
        agreement.scp_classes = {str(uid) for uid, item in roles.items() if item.scp_role}
    return agreement

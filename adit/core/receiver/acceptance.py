"""Answering an association request (PS3.8 7.1.1) as a Storage SCP."""

import struct
from dataclasses import dataclass
from functools import lru_cache

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC as AssociateAccept
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from adit.core.dicom.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

from .association_requests import Proposal

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_ACCEPTED, _ABSTRACT_SYNTAX_REFUSED = 0x00, 0x03
# In the PDU; they go back as they came (PS3.8 Table 9-17).
_TITLES = slice(10, 42)

Rejection = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

APPLICATION_CONTEXT_UNKNOWN: Rejection = (1, 1, 2)
PROTOCOL_VERSION_UNKNOWN: Rejection = (1, 2, 2)
CALLING_AE_TITLE_UNKNOWN: Rejection = (1, 1, 3)
CALLED_AE_TITLE_UNKNOWN: Rejection = (1, 1, 7)
TEMPORARY_CONGESTION: Rejection = (2, 3, 1)
LOCAL_LIMIT_EXCEEDED: Rejection = (2, 3, 2)

# Source 0 is the service user, 2 the provider; reason 6 an invalid parameter (PS3.8 9.3.8).
ABORT_BY_USER = struct.pack(">BxLxxBB", 0x07, 4, 0, 0)
ABORT_INVALID = struct.pack(">BxLxxBB", 0x07, 4, 2, 6)

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
_VERIFICATION = "1.2.840.10008.1.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is accepted of a proposal.

    Attributes:
        contexts: Abstract and transfer syntax by context ID.
        pdu: The A-ASSOCIATE-AC.
    """

    contexts: dict[int, tuple[str, str]]
    pdu: bytes


@lru_cache(64)
def accept(proposal: Proposal, maximum: int, *, events_only: bool = False) -> Answer:
    """Choose from a proposal.

    Args:
        maximum: Bytes of the largest P-DATA-TF that is taken (PS3.8 D.1).
        events_only: Nothing but reports and echoes.
    """
    contexts = choose_contexts(proposal, events_only=events_only)
    return Answer(contexts, encode_accept(proposal, contexts, maximum))


def choose_contexts(proposal: Proposal, *, events_only: bool = False) -> dict[int, tuple[str, str]]:
    """Abstract and transfer syntax of the contexts to accept, by context ID.

    Every class is taken that is not known to belong to another service, because vendors store
    private classes and retired ones; and every transfer syntax, because nothing is decoded here.

    Storage commitment is taken from a peer that proposes to be its provider, as it must to report
    on an association of its own (PS3.4 J.3.3).

    Args:
        events_only: Nothing but reports and echoes.
    """
    return {
        context_id: (abstract, _choose_syntax(syntaxes))
        for context_id, abstract, syntaxes in proposal.contexts
        if _are_uids((abstract, *syntaxes)) and _is_served(abstract, proposal, events_only)
    }


def encode_accept(proposal: Proposal, accepted: dict[int, tuple[str, str]], maximum: int) -> bytes:
    """An A-ASSOCIATE-AC with the accepted contexts."""
    answer = A_ASSOCIATE()
    answer.application_context_name = UID(APPLICATION_CONTEXT)
    answer.calling_ae_title = answer.called_ae_title = "ANY"
    answer.result, answer.result_source = 0x00, 0x01
    results = []
    for context_id, _, _ in proposal.contexts:
        context = PresentationContext()
        context.context_id = context_id
        chosen = accepted.get(context_id)
        # That of a refused context is not looked at (PS3.8 9.3.3.2).
        context.transfer_syntax = [UID(chosen[1]) if chosen else ImplicitVRLittleEndian]
        context.result = _ACCEPTED if chosen else _ABSTRACT_SYNTAX_REFUSED
        results.append(context)
    answer.presentation_context_definition_results_list = results
    length = MaximumLengthNotification()
    length.maximum_length_received = maximum
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    answer.user_information = [length, implementation, version]
    abstracts = {abstract for abstract, _ in accepted.values()}
    if STORAGE_COMMITMENT in abstracts and STORAGE_COMMITMENT in proposal.roles:
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid = UID(STORAGE_COMMITMENT)
        role.scu_role, role.scp_role = False, True
        answer.user_information.append(role)
    pdu = AssociateAccept(answer).encode()
    return pdu[: _TITLES.start] + proposal.titles + pdu[_TITLES.stop :]


def encode_reject(rejection: tuple[int, int, int]) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return struct.pack(">BxLxBBB", 0x03, 4, *rejection)


def _are_uids(uids: tuple[str, ...]) -> bool:
    return len(uids) > 1 and all(
        0 < len(uid) <= 64 and uid.isascii() and uid.isprintable() for uid in uids
    )


def _is_served(abstract_syntax: str, proposal: Proposal, events_only: bool) -> bool:
    if abstract_syntax == STORAGE_COMMITMENT:
        # Some providers forget to propose their role, and report all the same.
        return proposal.roles.get(STORAGE_COMMITMENT, (False, True))[1]
    if abstract_syntax == _VERIFICATION or events_only:
        return abstract_syntax == _VERIFICATION
    return uid_to_service_class(abstract_syntax) in (StorageServiceClass, ServiceClass)


def _choose_syntax(syntaxes: tuple[str, ...]) -> str:
    """The peer's first choice; but explicit VR rather than implicit VR, for private elements."""
    if syntaxes[0] == ImplicitVRLittleEndian and ExplicitVRLittleEndian in syntaxes:
        return str(ExplicitVRLittleEndian)
    return syntaxes[0]

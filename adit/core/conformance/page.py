"""Fills the figures and tables of the code into the text of the statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import pynetdicom.sop_class
from pydicom.uid import UID
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from adit.core.dicom.commitment import STORAGE_COMMITMENT_CLASS
from adit.core.dicom.config import LocalConfig
from adit.core.dicom.contexts import (
    ALL_SYNTAXES,
    MAXIMUM_CONTEXTS,
    QUERY_SYNTAXES,
    STORAGE_CLASSES,
)
from adit.core.dicom.dicomweb import stow, wado
from adit.core.dicom.dimse.connector import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
)
from adit.core.dicom.dimse.pdus import SLOWEST_RATE
from adit.core.dicom.errors import DIMSE_RULES, HTTP_RULES, REJECTIONS, Rule
from adit.core.dicom.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adit.core.dicom.query import Level, Query, request_keys
from adit.core.dicom.transcoding import LOSSLESS_SYNTAXES
from adit.core.receiver import acceptance, session, storing
from adit.core.receiver.wire import LARGEST_REQUEST, MAXIMUM_PDU

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/reference/dicom-conformance.md"

_TEXT = Path(__file__).with_name("statement.md")
_AS_USER = (
    VERIFICATION,
    STUDY_ROOT_FIND,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_GET,
    PATIENT_ROOT_GET,
    STUDY_ROOT_MOVE,
    PATIENT_ROOT_MOVE,
)
_STORE_STATUSES = {
    storing.SUCCESS: "the instance is on the disk, and its row in the database",
    storing.OUT_OF_RESOURCES: "no space, or the database did not take the row: send again",
    storing.NOT_OF_THIS_COMMAND: "the data set has another SOP Instance UID than the command",
    storing.CANNOT_UNDERSTAND: "the data set is empty",
    storing.PROCESSING_FAILURE: "SOP Class UID or SOP Instance UID is none",
    storing.NOT_AUTHORIZED: "the sender was taken off the list while the association lasted",
}
_STORE_REJECTIONS = {
    acceptance.PROTOCOL_VERSION_UNKNOWN: "the first bit of the protocol version is not set",
    acceptance.APPLICATION_CONTEXT_UNKNOWN: "the application context name is another one",
    acceptance.CALLED_AE_TITLE_UNKNOWN: "the called AE title is not that of the receiver",
    acceptance.CALLING_AE_TITLE_UNKNOWN: "the calling AE title is not that of an active server, or "
    "it calls from another address",
    acceptance.TEMPORARY_CONGESTION: "the receiver has just started: try again",
    acceptance.LOCAL_LIMIT_EXCEEDED: "too many associations: try again",
}


def conformance_page() -> str:
    """Markdown, much in the order of PS3.2."""
    return Template(_TEXT.read_text()).substitute(_figures() | _tables())


def _figures() -> dict[str, str]:
    local = LocalConfig()
    names = (
        "calling_ae_title",
        "receiver_ae_title",
        "maximum_pdu",
        "connect_timeout",
        "acse_timeout",
        "network_timeout",
        "progress_timeout",
        "store_associations",
        "move_associations",
        "stow_requests",
    )
    figures = {name: getattr(local, name) for name in names} | {
        "implementation_class_uid": IMPLEMENTATION_CLASS_UID,
        "implementation_version_name": IMPLEMENTATION_VERSION_NAME,
        "maximum_contexts": MAXIMUM_CONTEXTS,
        "query_syntaxes": " and ".join(map(_name, QUERY_SYNTAXES)),
        "receiver_maximum_pdu": MAXIMUM_PDU,
        "largest_request": LARGEST_REQUEST,
        "request_seconds": session.REQUEST_SECONDS,
        "idle_seconds": session.IDLE_SECONDS,
        "silence_seconds": session.SILENCE_SECONDS,
        "slowest_rate": SLOWEST_RATE,
        "pdu_seconds": session.PDU_SECONDS,
        "send_seconds": session.SEND_SECONDS,
        "wado_accept": wado.ACCEPT,
        "stow_instances": stow.MAXIMUM_INSTANCES,
        "stow_mebibytes": stow.MAXIMUM_BYTES >> 20,
    }
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in figures.items()
    }


def _tables() -> dict[str, str]:
    current = {uid for uid in STORAGE_CLASSES if uid_to_service_class(uid) == StorageServiceClass}
    uids = ("name", "UID")
    return {
        "sop_classes": _table(("SOP class", "UID", "user (SCU)", "provider (SCP)"), _services()),
        "query_keys": _table(("level", "keys"), _query_keys().items()),
        "lossless_syntaxes": "\n".join(
            f"- {name}" for name in sorted(map(_name, LOSSLESS_SYNTAXES))
        ),
        "statuses": _table(("service", "status", "the server …", ""), _statuses()),
        "rejections": _table(
            ("source, reason", "rejected …", "advice"),
            ((_codes(code), *says) for code, says in REJECTIONS.items()),
        ),
        "http_statuses": _table(
            ("status", "the server …", ""), (_rule(rule, "") for rule in HTTP_RULES)
        ),
        "store_statuses": _table(
            ("C-STORE status", "meaning"),
            ((f"{code:04X}", says) for code, says in _STORE_STATUSES.items()),
        ),
        "store_rejections": _table(
            ("A-ASSOCIATE-RJ: result, source, reason", "meaning"),
            ((_codes(code), says) for code, says in _STORE_REJECTIONS.items()),
        ),
        "storage_classes": _table(uids, sorted(map(_named, current))),
        "retired_classes": _table(uids, sorted(map(_named, STORAGE_CLASSES - current))),
        "syntaxes": _table(uids, map(_named, ALL_SYNTAXES)),
    }


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '/') for cell in line)} |".replace("|  |", "| |")
        for line in lines
    )


def _name(uid: str) -> str:
    """As in PS3.6 Annex A; what pydicom does not know yet by its keyword."""
    name = UID(uid).name
    if name != uid:
        return name.replace(" SOP Class", "").replace(" Information Model", "")
    return next((key for key, known in vars(pynetdicom.sop_class).items() if known == uid), uid)


def _named(uid: str) -> tuple[str, str]:
    return _name(uid), f"`{uid}`"


def _codes(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _services() -> list[tuple[str, ...]]:
    rows = [(*_named(uid), "yes", "yes" if uid == VERIFICATION else "no") for uid in _AS_USER]
    rows.append(("all storage classes, see the end", "", "yes", "yes"))
    rows.append((*_named(STORAGE_COMMITMENT_CLASS), "yes", "no"))
    return rows


def _query_keys() -> Mapping[Level, str]:
    levels: tuple[Level, ...] = ("PATIENT", "STUDY", "SERIES", "IMAGE")
    return {
        level: ", ".join(request_keys(Query(), level, patient_root=level == "PATIENT"))
        for level in levels
    }


def _statuses() -> list[tuple[str, ...]]:
    """The rules of the DIMSE services; those that all have are one row."""
    services: dict[tuple[str, ...], list[str]] = {}
    for service, rules in DIMSE_RULES.items():
        for rule in rules:
            services.setdefault(_rule(rule, "04X"), []).append(service)
    return [
        ("all" if len(names) == len(DIMSE_RULES) else ", ".join(names), *row)
        for row, names in services.items()
    ]


def _rule(rule: Rule, form: str) -> tuple[str, str, str]:
    codes = dict.fromkeys((f"{rule.first:{form}}", f"{rule.last:{form}}"))
    return " to ".join(codes), rule.says, "again" if rule.transient else ""

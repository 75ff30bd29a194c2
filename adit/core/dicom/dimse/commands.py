"""Command sets of DIMSE messages (PS3.7 section 9.3 and Annex E): always implicit little endian."""

from __future__ import annotations

import struct
from collections.abc import Sequence

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_GET_RQ, C_GET_RSP = 0x0010, 0x8010
C_FIND_RQ, C_FIND_RSP = 0x0020, 0x8020
C_MOVE_RQ, C_MOVE_RSP = 0x0021, 0x8021
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
C_CANCEL_RQ = 0x0FFF
N_EVENT_REPORT_RQ, N_EVENT_REPORT_RSP = 0x0100, 0x8100
N_ACTION_RQ, N_ACTION_RSP = 0x0130, 0x8130

_AFFECTED_SOP_CLASS_UID = 0x0002
_REQUESTED_SOP_CLASS_UID = 0x0003
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_RESPONDED_TO = 0x0120
_MOVE_DESTINATION = 0x0600
_PRIORITY = 0x0700
_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_AFFECTED_SOP_INSTANCE_UID = 0x1000
_REQUESTED_SOP_INSTANCE_UID = 0x1001
_EVENT_TYPE_ID = 0x1002
_ACTION_TYPE_ID = 0x1008
_REMAINING = 0x1020
_COMPLETED = 0x1021
_FAILED = 0x1022
_WARNING = 0x1023
_MOVE_ORIGINATOR_AE_TITLE = 0x1030
_MOVE_ORIGINATOR_MESSAGE_ID = 0x1031

_NO_DATA_SET = 0x0101
_HAS_DATA_SET = 0x0000
_MEDIUM = 0x0000

STATUS_SUCCESS = 0x0000
STATUS_CANCELED = 0xFE00
_PENDING = frozenset({0xFF00, 0xFF01})


class CommandError(ValueError):
    """The bytes are no command set."""


class Command:
    """A command set that came from a peer."""

    __slots__ = ("_values",)

    def __init__(self, encoded: bytes | bytearray) -> None:
        values: dict[int, bytes] = {}
        position = 0
        try:
            while position < len(encoded):
                group, element, length = struct.unpack_from("<HHL", encoded, position)
                position += 8
                if position + length > len(encoded):
                    raise CommandError("An element is longer than the command set.")
                if group == 0x0000:
                    values[element] = bytes(encoded[position : position + length])
                position += length
            self._values = values
            self.field  # noqa: B018 - a command set without its command field is none
        except (struct.error, KeyError) as error:
            raise CommandError("The command set cannot be read.") from error

    def _number(self, element: int) -> int:
        return struct.unpack("<H", self._values[element][:2])[0]

    def _optional(self, element: int) -> int | None:
        value = self._values.get(element, b"")
        return struct.unpack("<H", value[:2])[0] if len(value) >= 2 else None

    def _text(self, element: int) -> str:
        return self._values.get(element, b"").decode("ascii", "replace").strip(" \0")

    def echoed(self, element: int) -> bytes:
        """A value for the response as it came, even where it is no UID: the peer looks for it."""
        value = self._values.get(element, b"").strip(b" \0")
        return value + b"\0" if len(value) % 2 else value

    @property
    def field(self) -> int:
        return self._number(_COMMAND_FIELD)

    @property
    def message_id(self) -> int:
        return self._optional(_MESSAGE_ID) or 0

    @property
    def responded_to(self) -> int:
        return self._optional(_MESSAGE_ID_RESPONDED_TO) or 0

    def answers(self, message_id: int) -> bool:
        """Whether it responds to that message; some peers do not say to which (0)."""
        return self.responded_to in (0, message_id)

    @property
    def has_data_set(self) -> bool:
        return self._optional(_DATA_SET_TYPE) not in (_NO_DATA_SET, None)

    @property
    def status(self) -> int:
        """The status; 0x0110 (processing failure) where the peer forgot it."""
        status = self._optional(_STATUS)
        return 0x0110 if status is None else status

    @property
    def pending(self) -> bool:
        return self.status in _PENDING

    @property
    def sop_class_uid(self) -> str:
        return self._text(_AFFECTED_SOP_CLASS_UID)

    @property
    def sop_instance_uid(self) -> str:
        return self._text(_AFFECTED_SOP_INSTANCE_UID)

    @property
    def move_originator_ae_title(self) -> str:
        """Who asked for the C-MOVE that a C-STORE belongs to; optional, "" where it is missing."""
        return self._text(_MOVE_ORIGINATOR_AE_TITLE)

    @property
    def move_originator_message_id(self) -> int | None:
        """The Message ID of that C-MOVE."""
        return self._optional(_MOVE_ORIGINATOR_MESSAGE_ID)

    @property
    def event_type(self) -> int:
        """Event Type ID of an N-EVENT-REPORT; 0 where it is missing."""
        return self._optional(_EVENT_TYPE_ID) or 0

    @property
    def remaining(self) -> int | None:
        return self._optional(_REMAINING)

    @property
    def completed(self) -> int | None:
        return self._optional(_COMPLETED)

    @property
    def failed(self) -> int | None:
        return self._optional(_FAILED)

    @property
    def warning(self) -> int | None:
        return self._optional(_WARNING)


def _us(value: int) -> bytes:
    return struct.pack("<H", value)


def _ui(value: str) -> bytes:
    encoded = value.encode("ascii")
    return encoded + b"\0" if len(encoded) % 2 else encoded


def _ae(value: str) -> bytes:
    encoded = value.encode("ascii")
    return encoded + b" " if len(encoded) % 2 else encoded


def _encode(elements: Sequence[tuple[int, bytes]]) -> bytes:
    body = b"".join(
        struct.pack("<HHL", 0x0000, element, len(value)) + value for element, value in elements
    )
    return struct.pack("<HHLL", 0x0000, 0x0000, 4, len(body)) + body


def echo_request(message_id: int, sop_class_uid: str) -> bytes:
    return _encode(
        (
            (_AFFECTED_SOP_CLASS_UID, _ui(sop_class_uid)),
            (_COMMAND_FIELD, _us(C_ECHO_RQ)),
            (_MESSAGE_ID, _us(message_id)),
            (_DATA_SET_TYPE, _us(_NO_DATA_SET)),
        )
    )


def query_request(
    field: int, message_id: int, sop_class_uid: str, destination_ae_title: str = ""
) -> bytes:
    """C-FIND-RQ, C-GET-RQ or (with a destination) C-MOVE-RQ; the identifier follows."""
    elements = [
        (_AFFECTED_SOP_CLASS_UID, _ui(sop_class_uid)),
        (_COMMAND_FIELD, _us(field)),
        (_MESSAGE_ID, _us(message_id)),
    ]
    if destination_ae_title:
        elements.append((_MOVE_DESTINATION, _ae(destination_ae_title)))
    elements += [(_PRIORITY, _us(_MEDIUM)), (_DATA_SET_TYPE, _us(_HAS_DATA_SET))]
    return _encode(elements)


def cancel_request(message_id: int) -> bytes:
    return _encode(
        (
            (_COMMAND_FIELD, _us(C_CANCEL_RQ)),
            (_MESSAGE_ID_RESPONDED_TO, _us(message_id)),
            (_DATA_SET_TYPE, _us(_NO_DATA_SET)),
        )
    )


def store_request(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    return _encode(
        (
            (_AFFECTED_SOP_CLASS_UID, _ui(sop_class_uid)),
            (_COMMAND_FIELD, _us(C_STORE_RQ)),
            (_MESSAGE_ID, _us(message_id)),
            (_PRIORITY, _us(_MEDIUM)),
            (_DATA_SET_TYPE, _us(_HAS_DATA_SET)),
            (_AFFECTED_SOP_INSTANCE_UID, _ui(sop_instance_uid)),
        )
    )


def store_response(request: Command, status: int) -> bytes:
    return _encode(
        (
            (_AFFECTED_SOP_CLASS_UID, request.echoed(_AFFECTED_SOP_CLASS_UID)),
            (_COMMAND_FIELD, _us(C_STORE_RSP)),
            (_MESSAGE_ID_RESPONDED_TO, _us(request.message_id)),
            (_DATA_SET_TYPE, _us(_NO_DATA_SET)),
            (_STATUS, _us(status)),
            (_AFFECTED_SOP_INSTANCE_UID, request.echoed(_AFFECTED_SOP_INSTANCE_UID)),
        )
    )


def echo_response(request: Command) -> bytes:
    return _encode(
        (
            (_AFFECTED_SOP_CLASS_UID, request.echoed(_AFFECTED_SOP_CLASS_UID)),
            (_COMMAND_FIELD, _us(C_ECHO_RSP)),
            (_MESSAGE_ID_RESPONDED_TO, _us(request.message_id)),
            (_DATA_SET_TYPE, _us(_NO_DATA_SET)),
            (_STATUS, _us(STATUS_SUCCESS)),
        )
    )


def action_request(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type: int
) -> bytes:
    """N-ACTION-RQ (PS3.7 10.3.4.1); the action information follows."""
    return _encode(
        (
            (_REQUESTED_SOP_CLASS_UID, _ui(sop_class_uid)),
            (_COMMAND_FIELD, _us(N_ACTION_RQ)),
            (_MESSAGE_ID, _us(message_id)),
            (_DATA_SET_TYPE, _us(_HAS_DATA_SET)),
            (_REQUESTED_SOP_INSTANCE_UID, _ui(sop_instance_uid)),
            (_ACTION_TYPE_ID, _us(action_type)),
        )
    )


def event_report_response(request: Command, status: int) -> bytes:
    """N-EVENT-REPORT-RSP (PS3.7 10.3.1.2) without an event reply."""
    return _encode(
        (
            (_AFFECTED_SOP_CLASS_UID, request.echoed(_AFFECTED_SOP_CLASS_UID)),
            (_COMMAND_FIELD, _us(N_EVENT_REPORT_RSP)),
            (_MESSAGE_ID_RESPONDED_TO, _us(request.message_id)),
            (_DATA_SET_TYPE, _us(_NO_DATA_SET)),
            (_STATUS, _us(status)),
            (_AFFECTED_SOP_INSTANCE_UID, request.echoed(_AFFECTED_SOP_INSTANCE_UID)),
            (_EVENT_TYPE_ID, _us(request.event_type)),
        )
    )

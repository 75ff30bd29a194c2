"""Actions on values: what stands in place of an element's value.

An action takes the context of the patient and the raw value and returns the new raw value, padded
by the caller, or the same one if it stays. VRs are those of the data dictionary, so that an
element with a wrong VR in the object does not escape its rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Literal

from . import dates
from .codec import Encoding, Items, encode_element, encode_item, encode_sequence
from .dates import AGE_OF_THE_OLDEST, OLDEST_TOLD_AGE, years_of
from .patient import PatientContext

Apply = Callable[[PatientContext, bytes], bytes]
MakeItems = Callable[[Encoding, Items, bytes], list[bytes]]
"""Makes the encoded items of a sequence from its encoding, its items and the buffer they are in."""


_GRAPHIC_LAYER = 0x00700002
_UID = re.compile(r"0|[0-2](?:\.(?:0|[1-9]\d*)){3,}")
_CODE_STRING = re.compile(rb"[A-Z0-9_ ]{1,16}")


class Action(StrEnum):
    """What happened to an element; counted in the result and shown in reports."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    REPLACE_UID = "replace_uid"
    REPLACE_ID = "replace_id"
    PSEUDONYM = "pseudonym"
    SHIFT = "shift"
    CLEAN = "clean"
    WRITE = "write"


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """What is done with one attribute.

    Attributes:
        action: For counts and reports.
        apply: New value of a leaf; `None` removes the element.
        recurse: The items of a sequence are de-identified by the rules of what is in them.
        items: The encoded items in place of a sequence that is not recursed into.
        look: The element is looked at on its own: private ones, and unknown ones to count them.
    """

    action: Action
    apply: Apply | None = None
    recurse: bool = False
    items: MakeItems | None = None
    look: bool = False


def _each(convert: Callable[[str], str | None], otherwise: bytes, raw: bytes) -> bytes:
    """Converts each value; if one is malformed the whole element is replaced."""
    text = raw.decode("ascii", "replace").strip(" \0")
    if not text:
        return raw
    converted = [convert(value) if value.strip() else "" for value in text.split("\\")]
    if any(value is None for value in converted):
        return otherwise
    return "\\".join(value or "" for value in converted).encode("ascii", "replace")


def shift(vr: bytes, otherwise: bytes) -> Apply:
    """Shifts DA and DT by the patient's offset and lets TM stay; `otherwise` if malformed."""

    def apply(context: PatientContext, raw: bytes) -> bytes:
        if vr == b"DA":
            return _each(partial(dates.shift_date, offset=context.offset), otherwise, raw)
        if vr == b"DT":
            return _each(partial(dates.shift_date_time, offset=context.offset), otherwise, raw)
        return _each(dates.valid_time, otherwise, raw)

    return apply


_shift_birth_date = shift(b"DA", b"")


def replace_uid(context: PatientContext, raw: bytes) -> bytes:
    """Maps each UID; what is no UID is mapped as text, so nothing of it remains."""
    text = raw.decode("ascii", "backslashreplace").strip(" \0")
    uid = context.mapping.uid
    return "\\".join(uid(value.strip(" \0")) for value in text.split("\\")).encode("ascii")


def keep_uid(context: PatientContext, raw: bytes) -> bytes:
    """Keeps what is a UID by its form (PS3.5 9.1); an id or a date in its place is mapped."""
    text = raw.decode("ascii", "backslashreplace").strip(" \0")
    if all(not value or _UID.fullmatch(value.strip(" \0")) for value in text.split("\\")):
        return raw
    return replace_uid(context, raw)


def empty(context: PatientContext, raw: bytes) -> bytes:
    """Zero length."""
    return b""


def constant(value: bytes) -> Apply:
    """Always the same value."""
    return lambda context, raw: value


def keyed_identifier(length: int) -> Apply:
    """A keyed replacement of an id; an empty id stays empty."""

    def apply(context: PatientContext, raw: bytes) -> bytes:
        text = context.charset.decode(raw).strip(" \0")
        return context.mapping.identifier(text, length).encode() if text else b""

    return apply


def dummy_text(context: PatientContext, raw: bytes) -> bytes:
    """A keyed word per value, so that labels stay distinct (ROI names, containers)."""
    text = context.charset.decode(raw).strip(" \0")
    return context.mapping.identifier(text, 12).encode()


def invented_name(context: PatientContext, raw: bytes) -> bytes:
    """An invented name of a person."""
    return context.invented.name(context.charset.decode(raw).strip(" \0")).encode("ascii")


def pseudonym(context: PatientContext, raw: bytes) -> bytes:
    """The pseudonym, at all levels."""
    return context.charset.encode(context.assignment.pseudonym)


def age(context: PatientContext, raw: bytes) -> bytes:
    """PatientAge in agreement with the shifted dates; `090Y` for all who are over 89."""
    years = years_of(raw.decode("ascii", "replace"))
    if years < 0:
        return b""  # malformed: anything may stand there
    if years > OLDEST_TOLD_AGE:
        return AGE_OF_THE_OLDEST.encode("ascii")
    return context.age.encode("ascii") if context.age else raw


def old_age(context: PatientContext, raw: bytes) -> bytes:
    """An age that may be another than PatientAge: `090Y` for those over 89, empty if malformed."""
    years = years_of(raw.decode("ascii", "replace"))
    if years > OLDEST_TOLD_AGE:
        return AGE_OF_THE_OLDEST.encode("ascii")
    return raw if years >= 0 else b""


def birth_date(context: PatientContext, raw: bytes) -> bytes:
    """The birth date moved like all dates; empty unless the patient is known to be under 90.

    PS3.15 is silent about old ages. HIPAA's safe harbour (45 CFR 164.514 (b)(2)(i)(C)) asks that
    no date tells an age over 89, since so few people are that old. A birth date that is moved
    together with the study's still tells it, so there is none, and PatientAge says `090Y`. The
    attribute is Type 2 (PS3.3 C.7.1.1): empty is valid. An earlier study of the same person, at
    89 or younger, keeps its birth date: what comes later is not known there. An object that tells
    neither an age nor a day of the study may be of anybody, and any other date in it tells the age.
    """
    return _shift_birth_date(context, raw) if context.known_younger else b""


def clean(descriptor: bool) -> Apply:
    """Text without identifiers."""

    def apply(context: PatientContext, raw: bytes) -> bytes:
        text = context.charset.decode(raw)
        cleaned = context.cleaner.clean(text, descriptor)
        return raw if cleaned is text else context.charset.encode(cleaned, raw)

    return apply


_LONGEST_DESCRIPTOR = 64  # characters of LO (PS3.5 6.2)


def clean_short_text(context: PatientContext, raw: bytes) -> bytes:
    """Text that is as short as a descriptor without identifiers; a keyed word for all other."""
    text = context.charset.decode(raw).strip(" \0")
    if len(text) <= _LONGEST_DESCRIPTOR and text.isprintable():
        cleaned = context.cleaner.clean(text, descriptor=True)
        if cleaned.strip() or not text:
            return raw if cleaned is text else context.charset.encode(cleaned, raw)
    return dummy_text(context, raw)


_DUMMIES: dict[bytes, Apply] = {
    b"AE": constant(b"REMOVED"),
    b"AS": constant(b"000Y"),
    b"CS": constant(b"REMOVED"),
    b"DA": constant(dates.DUMMY_DATE.encode()),
    b"DS": constant(b"0"),
    b"DT": constant(dates.DUMMY_DATE_TIME.encode()),
    b"IS": constant(b"0"),
    b"PN": invented_name,
    b"TM": constant(dates.DUMMY_TIME.encode()),
    b"UI": replace_uid,
    b"UR": constant(b"urn:removed"),
    **{vr: dummy_text for vr in (b"LO", b"LT", b"SH", b"ST", b"UC", b"UT")},
}


def dummy(vr: bytes) -> Apply:
    """A value of the VR that says nothing; eight NULLs fit all binary VRs."""
    return _DUMMIES.get(vr, constant(bytes(8)))


def _code(encoding: Encoding, value: bytes, scheme: bytes, meaning: bytes) -> bytes:
    return encode_item(
        encoding,
        encode_element(encoding, 0x00080100, b"SH", value)
        + encode_element(encoding, 0x00080102, b"SH", scheme)
        + encode_element(encoding, 0x00080104, b"LO", meaning),
    )


def code_items(encoding: Encoding, codes: list[tuple[str, str]]) -> list[bytes]:
    """Items of a code sequence in coding scheme DCM (PS3.16 Annex D)."""
    return [_code(encoding, value.encode(), b"DCM", meaning.encode()) for value, meaning in codes]


def _layer_of(annotations: Items, buffer: bytes) -> bytes:
    """Name of the first layer, which the Graphic Layer Module of the object defines."""
    for item in annotations.items:
        for tag, _, _, value, end, _ in item.elements:
            if tag == _GRAPHIC_LAYER and _CODE_STRING.fullmatch(buffer[value:end]):
                return buffer[value:end]
    return b"REMOVED"


def no_items(encoding: Encoding, source: Items, buffer: bytes) -> list[bytes]:
    """An empty sequence."""
    return []


def dummy_items(keyword: str) -> MakeItems:
    """One item in place of a sequence that must not be empty."""

    def items(encoding: Encoding, source: Items, buffer: bytes) -> list[bytes]:
        element = partial(encode_element, encoding)
        order: Literal["big", "little"] = "big" if encoding.big_endian else "little"
        if keyword == "ContentSequence":
            comment = code_items(encoding, [("121106", "Comment")])
            body = (
                element(0x0040A010, b"CS", b"CONTAINS")
                + element(0x0040A040, b"CS", b"TEXT")
                + encode_sequence(encoding, 0x0040A043, comment)
                + element(0x0040A160, b"UT", b"Removed")
            )
        elif keyword == "VerifyingObserverSequence":
            body = (
                element(0x0040A027, b"LO", b"REMOVED")
                + element(0x0040A030, b"DT", dates.DUMMY_DATE_TIME.encode())
                + element(0x0040A075, b"PN", b"REMOVED")
                + encode_sequence(encoding, 0x0040A088, [])
            )
        elif keyword == "GraphicAnnotationSequence":
            text = (  # PS3.3 C.10.5; a point that is not shown, in a layer that is there
                element(0x00700004, b"CS", b"DISPLAY")
                + element(0x00700006, b"ST", b"Removed")
                + element(0x00700014, b"FL", bytes(8))
                + element(0x00700015, b"CS", b"N")
            )
            body = element(0x00700002, b"CS", _layer_of(source, buffer))
            body += encode_sequence(encoding, 0x00700008, [encode_item(encoding, text)])
        elif keyword == "WaveformAnnotationSequence":  # PS3.3 C.10.10
            channels = (1).to_bytes(2, order) + bytes(2)  # all of the first multiplex group
            body = element(0x0040A0B0, b"US", channels)
            body += element(0x00700006, b"ST", b"Removed")
        elif keyword == "FlowIdentifierSequence":
            body = element(0x00340002, b"OB", bytes(8))
        else:
            return [_code(encoding, b"REMOVED", b"99ADIT", b"Removed")]
        return [encode_item(encoding, body)]

    return items

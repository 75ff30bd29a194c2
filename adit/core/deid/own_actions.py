"""Turns own rules and safe private entries into rules of the engine."""

from __future__ import annotations

from collections.abc import Callable

from . import actions
from .actions import Action, Apply, Rule
from .codec import NULL_PADDED_VRS
from .own_rules import OwnRule, RuleAction
from .patient import PatientContext
from .profile import Option, Profile
from .replacements import replacement_bytes

KEEP = Rule(Action.KEEP, recurse=True)
REMOVE = Rule(Action.REMOVE)

_TEXT = frozenset({b"AE", b"CS", b"LO", b"LT", b"SH", b"ST", b"UC", b"UR", b"UT"})
_TEMPORAL = frozenset({b"DA", b"DT", b"TM"})


def rule_of(own: OwnRule, vr: bytes) -> Rule:
    """The engine's rule for an own rule about an attribute of a VR."""
    match own.action:
        case RuleAction.KEEP:
            return KEEP
        case RuleAction.REMOVE:
            return REMOVE
        case RuleAction.EMPTY:
            return Rule(Action.EMPTY, actions.empty, items=actions.no_items)
        case RuleAction.REPLACE:
            return Rule(Action.DUMMY, _replace(vr, own.value))
        case RuleAction.HASH:
            return Rule(Action.REPLACE_ID, keyed(vr))
        case RuleAction.CLEAN:
            return cleaned(vr)


def cleaned(vr: bytes) -> Rule:
    """Text without identifiers, dates shifted, UIDs mapped; what cannot be cleaned is emptied."""
    if vr == b"SQ":
        return KEEP
    if vr in _TEXT:
        return Rule(Action.CLEAN, actions.clean(descriptor=True))
    if vr in (b"DA", b"DT"):
        return Rule(Action.SHIFT, _shift_if_modified(vr))
    if vr == b"UI":
        return Rule(Action.REPLACE_UID, actions.replace_uid)
    return Rule(Action.EMPTY, actions.empty)


def _shift_if_modified(vr: bytes) -> Apply:
    shift = actions.shift(vr, b"")

    def apply(context: PatientContext, raw: bytes) -> bytes:
        return shift(context, raw) if context.offset else b""

    return apply


def safe_private_rule(profile: Profile, vr: bytes) -> Rule:
    """What happens to a private element on the safe list: kept, but for what its VR may carry."""
    if vr in _TEXT:
        return Rule(Action.KEEP, actions.clean(descriptor=False))
    if vr == b"UI" and Option.RETAIN_UIDS not in profile.options:
        return Rule(Action.REPLACE_UID, actions.replace_uid)
    if vr in (b"PN", b"UN"):  # of unknown ones nothing tells what they may carry
        return Rule(Action.EMPTY, actions.empty)
    if vr == b"AS":
        return Rule(Action.KEEP, actions.old_age)
    if vr in _TEMPORAL and Option.RETAIN_LONGITUDINAL_FULL_DATES not in profile.options:
        if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options:
            return Rule(Action.SHIFT, actions.shift(vr, b""))
        return Rule(Action.EMPTY, actions.empty)
    return KEEP


def _replace(vr: bytes, value: str) -> Apply:
    if vr in _TEXT or vr == b"PN":
        return lambda context, raw: context.charset.encode(value)
    try:
        encoded = replacement_bytes(vr, value)
    except ValueError:  # a private element that is of another VR than its rule states
        return actions.empty
    return lambda context, raw: encoded


def _digits(context: PatientContext, value: str) -> int:
    return int.from_bytes(context.mapping.digest("own-rule", value)[:8])


_KEYED: dict[bytes, Callable[[PatientContext, str], str]] = {
    b"AE": lambda context, value: context.mapping.identifier(value, 12),
    b"AS": lambda context, value: f"{_digits(context, value) % 90:03d}Y",
    b"CS": lambda context, value: context.mapping.identifier(value, 12),
    b"DA": lambda context, value: _keyed_date(context, value),
    b"DS": lambda context, value: str(_digits(context, value) % 1_000_000),
    b"DT": lambda context, value: _keyed_date(context, value) + "000000",
    b"IS": lambda context, value: str(_digits(context, value) % 1_000_000),
    b"TM": lambda context, value: f"{_digits(context, value) % 24:02d}0000",
    b"UI": lambda context, value: context.mapping.uid(value),
    b"UR": lambda context, value: f"urn:{context.mapping.identifier(value, 16)}",
}


def _keyed_date(context: PatientContext, value: str) -> str:
    number = _digits(context, value)
    return f"{1900 + number % 100:04d}{1 + number // 100 % 12:02d}{1 + number // 1200 % 28:02d}"


def keyed(vr: bytes) -> Apply:
    """A keyed replacement that fits the VR: equal values are replaced alike, values stay apart.

    Bytes and numbers keep their length, so that value multiplicity and pixel layouts hold.
    """
    if vr in NULL_PADDED_VRS and vr != b"UI":

        def of_bytes(context: PatientContext, raw: bytes) -> bytes:
            if not raw:
                return raw
            digest = context.mapping.digest("own-rule", raw.hex())
            if vr in (b"FL", b"FD", b"OF", b"OD"):
                digest = bytes(byte & 0x3F for byte in digest)  # neither infinite nor NaN
            return (digest * (len(raw) // len(digest) + 1))[: len(raw)]

        return of_bytes
    convert = _KEYED.get(vr, lambda context, value: context.mapping.identifier(value, 12))

    def of_text(context: PatientContext, raw: bytes) -> bytes:
        text = context.charset.decode(raw).strip(" \0")
        values = [value.strip(" \0") for value in text.split("\\")]
        return "\\".join(convert(context, value) if value else "" for value in values).encode()

    return of_text

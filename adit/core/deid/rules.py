"""Chooses the rule of every attribute under a profile: options, table, then the rest.

The rest are attributes that the table does not name. They stay unless their nature forbids it:
private and unknown elements and overlays go, UIDs are mapped, dates shifted, names of persons
emptied, and text is searched for the identifiers of the patient.
"""

from __future__ import annotations

import re

from pydicom.datadict import keyword_for_tag

from . import actions
from .actions import Action, Rule
from .codec import vr_of_tag
from .iod_types import PlainAction, resolve
from .options import OptionAction, option_action
from .patient import PATIENT_AGE, PATIENT_BIRTH_DATE, PATIENT_ID, PATIENT_NAME
from .profile import Option, Profile
from .table import basic_action

KEEP = Rule(Action.KEEP, recurse=True)
REMOVE = Rule(Action.REMOVE)

_TEXT = frozenset({b"LO", b"LT", b"SH", b"ST", b"UC", b"UR", b"UT"})
_TEMPORAL = frozenset({b"DA", b"DT", b"TM"})
_IDENTIFIER = re.compile(r"^(AccessionNumber|StudyID|(Placer|Filler)OrderNumber\w+)$")
_UID_OF_A_DEFINITION = re.compile(
    r"Class|TransferSyntax|CodingScheme|Context|MappingResource|Creator|Implementation|Template"
)
_LENGTH_TO_END = 0x00080001
_TRIAL_SUBJECT_ID = 0x00120040


def choose_rule(profile: Profile, tag: int, sop_class_uid: str) -> Rule:
    """The rule of an attribute in objects of a SOP class."""
    if tag & 0xFFFF == 0 or tag == _LENGTH_TO_END:
        return REMOVE  # group lengths, retired and wrong after any change (PS3.5 7.2)
    option = option_action(profile, tag)
    if tag >> 16 & 1:
        return Rule(Action.KEEP, recurse=True, safe_private=True) if option else REMOVE
    if tag in (PATIENT_ID, PATIENT_NAME, _TRIAL_SUBJECT_ID):
        return Rule(Action.PSEUDONYM, actions.pseudonym)
    vr = vr_of_tag(tag)
    modified = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options
    if tag == PATIENT_BIRTH_DATE and modified:
        return Rule(Action.SHIFT, actions.shift(vr, b""))
    if tag == PATIENT_AGE and modified and option is OptionAction.KEEP:
        return Rule(Action.KEEP, actions.age)
    basic = basic_action(tag)
    if basic is None:
        return _unlisted(profile, tag, vr)
    plain = resolve(basic, tag, sop_class_uid)
    if option is OptionAction.KEEP:
        return KEEP
    if option is OptionAction.CLEAN:
        cleaned = _cleaned(tag, vr, plain)
        if cleaned is not None:
            return cleaned
    return _basic(tag, vr, plain)


def _cleaned(tag: int, vr: bytes, plain: PlainAction) -> Rule | None:
    if vr in _TEMPORAL:
        otherwise = b""
        if plain is PlainAction.DUMMY:
            otherwise = actions.dummy(vr)(None, b"")  # type: ignore[arg-type]
        return Rule(Action.SHIFT, actions.shift(vr, otherwise))
    if vr == b"SQ":
        return KEEP
    if vr in _TEXT or vr in (b"AE", b"CS"):
        otherwise = actions.dummy(vr) if plain is PlainAction.DUMMY else actions.empty
        cleaning = actions.clean(descriptor=True)
        return Rule(
            Action.CLEAN,
            lambda context, raw: (
                cleaning(context, raw) or (otherwise(context, raw) if raw.strip(b" \0") else b"")
            ),
        )
    return None  # nothing is known about bytes: the Basic Profile stands


def _basic(tag: int, vr: bytes, plain: PlainAction) -> Rule:
    match plain:
        case PlainAction.REMOVE:
            return REMOVE
        case PlainAction.RECURSE:
            return KEEP
        case PlainAction.UID:
            return Rule(Action.REPLACE_UID, actions.replace_uid)
        case PlainAction.ZERO:
            if _IDENTIFIER.search(keyword_for_tag(tag)):
                return Rule(Action.REPLACE_ID, actions.keyed_identifier(16 if vr == b"LO" else 12))
            return Rule(Action.EMPTY, actions.empty, items=lambda encoding: [])
    if vr == b"SQ":
        keyword = keyword_for_tag(tag)
        return Rule(Action.DUMMY, items=actions.dummy_items(keyword))
    return Rule(Action.DUMMY, actions.dummy(vr))


def _unlisted(profile: Profile, tag: int, vr: bytes) -> Rule:
    keyword = keyword_for_tag(tag)
    if not keyword or tag >> 24 in (0x50, 0x60):
        return REMOVE
    if vr == b"UI":
        retained = Option.RETAIN_UIDS in profile.options or _UID_OF_A_DEFINITION.search(keyword)
        return KEEP if retained else Rule(Action.REPLACE_UID, actions.replace_uid)
    if vr == b"PN":
        return Rule(Action.EMPTY, actions.empty)
    if vr in _TEMPORAL:
        if Option.RETAIN_LONGITUDINAL_FULL_DATES in profile.options:
            return KEEP
        if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options:
            return Rule(Action.SHIFT, actions.shift(vr, b""))
        return Rule(Action.DUMMY, actions.dummy(vr))
    if vr in _TEXT:
        return Rule(Action.CLEAN, actions.clean(descriptor=False))
    return KEEP

"""Chooses the rule of every attribute under a profile: options, table, then the rest.

The rest are attributes that the table does not name. Some identify and are listed as
`supplements`. The others stay unless their nature forbids it: private and unknown elements and
overlays go, UIDs are mapped, dates shifted, names of persons emptied, and text is searched for the
identifiers of the patient.
"""

from __future__ import annotations

import re

from pydicom.datadict import keyword_for_tag

from . import actions
from .actions import Action, Rule
from .burned_in import ENCAPSULATED_DOCUMENT, is_document
from .codec import vr_of_tag
from .iod_types import PlainAction, resolve
from .options import OptionAction, deciding_option, is_descriptor
from .own_actions import KEEP, REMOVE, rule_of
from .own_rules import OwnRule, RuleAction
from .patient import (
    PATIENT_AGE,
    PATIENT_BIRTH_DATE,
    PATIENT_ID,
    PATIENT_NAME,
    PatientContext,
)
from .profile import Option, Profile
from .supplements import SUPPLEMENTS
from .table import basic_action

PRIVATE = Rule(Action.REMOVE, look=True)
"""Stands for what is decided by the creator of the element's block."""
UNKNOWN = Rule(Action.REMOVE, look=True)
"""Removes an element that PS3.6 does not know; counted, so that people learn of it."""

_TEXT = frozenset({b"LO", b"LT", b"SH", b"ST", b"UC", b"UR", b"UT"})
_TEMPORAL = frozenset({b"DA", b"DT", b"TM"})
_IDENTIFIER = re.compile(r"^(AccessionNumber|StudyID|(Placer|Filler)OrderNumber\w+)$")
_UID_OF_A_DEFINITION = re.compile(
    r"Class|TransferSyntax|CodingScheme|Context|MappingResource|Creator|Implementation|Template"
)
_SOP_CLASS_UID = 0x00080016
"""Told to receivers as it came: the gate looks at it."""
_LENGTH_TO_END = 0x00080001
_TRIAL_SUBJECT_ID, _TEXT_VALUE = 0x00120040, 0x0040A160
_PIXEL_GROUP = 0x7FE0
_OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})


OF_AN_OPTION = {
    Option.RETAIN_SAFE_PRIVATE: "Retain Safe Private",
    Option.RETAIN_UIDS: "Retain UIDs",
    Option.RETAIN_DEVICE_IDENTITY: "Retain Device Identity",
    Option.RETAIN_INSTITUTION_IDENTITY: "Retain Institution Identity",
    Option.RETAIN_PATIENT_CHARACTERISTICS: "Retain Patient Characteristics",
    Option.RETAIN_LONGITUDINAL_FULL_DATES: "Retain Longitudinal Temporal Information, full dates",
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES: (
        "Retain Longitudinal Temporal Information, modified dates"
    ),
    Option.CLEAN_DESCRIPTORS: "Clean Descriptors",
    Option.CLEAN_STRUCTURED_CONTENT: "Clean Structured Content",
    Option.CLEAN_GRAPHICS: "Clean Graphics",
    Option.CLEAN_PIXEL_DATA: "Clean Pixel Data",
}
"""Options in words."""


def choose_rule(profile: Profile, tag: int, sop_class_uid: str) -> Rule:
    """The rule of an attribute in objects of a SOP class."""
    return decide(profile, tag, sop_class_uid)[0]


def own_rule(profile: Profile, tag: int) -> OwnRule | None:
    """The profile's own rule about a standard attribute."""
    for own in profile.own_rules:
        if own.number == tag and not own.is_private:
            return own
    return None


def decide(profile: Profile, tag: int, sop_class_uid: str) -> tuple[Rule, str]:
    """The rule of an attribute in objects of a SOP class, and in words what decided."""
    if tag & 0xFFFF == 0 or tag == _LENGTH_TO_END:
        return REMOVE, "Group length, retired (PS3.5 7.2)"
    if tag >> 16 & 1:
        return PRIVATE, "Private element"
    if tag in (PATIENT_ID, PATIENT_NAME, _TRIAL_SUBJECT_ID):
        return Rule(Action.PSEUDONYM, actions.pseudonym), "Pseudonym of the subject"
    if tag >> 16 == _PIXEL_GROUP:
        if tag in _OFFSET_TABLES:
            return KEEP, "Describes the pixel data"
        return REMOVE, "Pixel data inside of a sequence cannot be checked"
    vr = vr_of_tag(tag)
    own = own_rule(profile, tag)
    modified = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options
    if own is not None:
        return _own(own, vr, modified), f"Own rule: {own.reason}"
    if is_document(sop_class_uid) and tag == ENCAPSULATED_DOCUMENT:
        return KEEP, "The document itself, under the profile's policy for burned-in annotations"
    option, action = deciding_option(profile, tag) or (None, None)
    words = OF_AN_OPTION.get(option, "") if option else ""
    if tag == PATIENT_BIRTH_DATE and modified:
        rule = Rule(Action.SHIFT, actions.birth_date)
        return rule, OF_AN_OPTION[Option.RETAIN_LONGITUDINAL_MODIFIED_DATES]
    if tag == PATIENT_AGE and action is OptionAction.KEEP:
        return Rule(Action.KEEP, actions.age), words
    basic = basic_action(tag)
    if basic is None:
        return _unlisted(profile, tag, vr)
    plain = resolve(basic, tag, sop_class_uid)
    if action is OptionAction.KEEP:
        return KEEP, words
    if action is OptionAction.CLEAN:
        cleaned = _cleaned(tag, vr, plain)
        if cleaned is not None:
            return cleaned, words
        words = f"PS3.15 Basic Profile: {basic.value}; {words} cannot check what is in there"
        return _basic(tag, vr, plain), words
    return _basic(tag, vr, plain), f"PS3.15 Basic Profile: {basic.value}"


def _own(own: OwnRule, vr: bytes, modified: bool) -> Rule:
    """The rule of an own rule; those over 89 are told by none, as by no other rule."""
    if own.number == PATIENT_AGE and own.action is RuleAction.KEEP:
        return Rule(Action.KEEP, actions.age)
    if own.number == PATIENT_BIRTH_DATE and own.action is RuleAction.CLEAN and modified:
        return Rule(Action.SHIFT, actions.birth_date)
    return rule_of(own, vr)


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
        return Rule(Action.CLEAN, _never_empty(cleaning, otherwise))
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
            return Rule(Action.EMPTY, actions.empty, items=actions.no_items)
    if vr == b"SQ":
        keyword = keyword_for_tag(tag)
        return Rule(Action.DUMMY, items=actions.dummy_items(keyword))
    return Rule(Action.DUMMY, actions.dummy(vr))


def _never_empty(cleaning: actions.Apply, otherwise: actions.Apply) -> actions.Apply:
    """What is left of a value, or something else where nothing is."""

    def apply(context: PatientContext, raw: bytes) -> bytes:
        cleaned = cleaning(context, raw)
        return (
            cleaned if cleaned.strip(b" \0") or not raw.strip(b" \0") else otherwise(context, raw)
        )

    return apply


_NEVER_EMPTY = {
    "CodeValue": actions.dummy_text,
    "LongCodeValue": actions.dummy_text,
    "URNCodeValue": actions.constant(b"urn:removed"),
    "CodeMeaning": actions.dummy_text,
    "CodingSchemeDesignator": actions.constant(b"99ADIT"),
}
"""Type 1 and 1C in codes (PS3.3 8.8): a code may hold a word that is a patient's name."""

CODE_MEANING = 0x00080104
_OF_CODES = re.compile(r"^(CodeValue|LongCodeValue|URNCodeValue|CodingScheme\w+)$")
"""Numbers of codes and dates of schemes look like ids and dates of somebody, and are none."""
_OF_EQUIPMENT = re.compile(
    r"Manufacturer|Model(Name|Number|Version)|Software|Version(s|Number)?$|PrivateCreator"
    r"|TransducerData|Processing(Code|Function)$|PostprocessingFunction|PartNumber|MIMEType|FontName"
)
"""Makers, models and versions of equipment look like institutions, dates and numbers, too."""
_FREE_CODE_STRINGS = frozenset({"ContentLabel"})

_BEYOND_THE_TABLE = "Not in the table of PS3.15"


def _unlisted(profile: Profile, tag: int, vr: bytes) -> tuple[Rule, str]:
    keyword = keyword_for_tag(tag)
    if not keyword:
        return UNKNOWN, "Unknown to the data dictionary"
    if tag >> 24 in (0x50, 0x60):
        return REMOVE, "Curve or overlay"
    if tag in SUPPLEMENTS:
        return _supplemented(profile, tag, vr)
    if tag >> 16 == 0x0002 and vr in (b"OB", b"AE"):
        return REMOVE, f"{_BEYOND_THE_TABLE}: private information of a file or address of a system"
    if vr == b"UI":
        words = f"{_BEYOND_THE_TABLE}: UID of a definition, or UIDs are retained"
        if tag == _SOP_CLASS_UID or Option.RETAIN_UIDS in profile.options:
            return KEEP, words
        if _UID_OF_A_DEFINITION.search(keyword):
            return Rule(Action.KEEP, actions.keep_uid), words
        return Rule(Action.REPLACE_UID, actions.replace_uid), f"{_BEYOND_THE_TABLE}: UID"
    if vr == b"PN":
        return Rule(Action.EMPTY, actions.empty), f"{_BEYOND_THE_TABLE}: name of a person"
    if vr in _TEMPORAL:
        words = f"{_BEYOND_THE_TABLE}: date or time"
        if Option.RETAIN_LONGITUDINAL_FULL_DATES in profile.options:
            return KEEP, words
        if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options:
            return Rule(Action.SHIFT, actions.shift(vr, b"")), words
        return Rule(Action.DUMMY, actions.dummy(vr)), words
    if vr == b"UR" and not _OF_CODES.search(keyword):
        return REMOVE, f"{_BEYOND_THE_TABLE}: may name a system of the source"
    if vr in _TEXT or keyword in _FREE_CODE_STRINGS:
        technical = _OF_CODES.search(keyword) or _OF_EQUIPMENT.search(keyword)
        if technical or not _cleans_dates(profile):
            cleaning = actions.clean(descriptor=False)
            if keyword in _NEVER_EMPTY:
                cleaning = _never_empty(cleaning, _NEVER_EMPTY[keyword])
            words = f"{_BEYOND_THE_TABLE}: text without the patient's identifiers"
        else:
            cleaning = _never_empty(actions.clean(descriptor=True), actions.dummy(vr))
            words = f"{_BEYOND_THE_TABLE}: text without identifiers, as descriptors"
        return Rule(Action.CLEAN, cleaning), words
    return KEEP, f"{_BEYOND_THE_TABLE}: technical"


def _cleans_dates(profile: Profile) -> bool:
    """Whether dates do not stay where they are, so that text may not tell them either."""
    options = profile.options
    retained = Option.RETAIN_LONGITUDINAL_FULL_DATES in options
    return not retained or Option.CLEAN_DESCRIPTORS in options


def rules_of_published_codes(profile: Profile) -> dict[int, tuple[Rule, str]]:
    """Rules in codes of published terminologies, whose meanings nobody writes freely."""
    if own_rule(profile, CODE_MEANING) or not _cleans_dates(profile):
        return {}
    cleaning = _never_empty(actions.clean(descriptor=False), actions.dummy_text)
    words = f"{_BEYOND_THE_TABLE}: meaning of a published code, without the patient's identifiers"
    return {CODE_MEANING: (Rule(Action.CLEAN, cleaning), words)}


def _supplemented(profile: Profile, tag: int, vr: bytes) -> tuple[Rule, str]:
    supplement = SUPPLEMENTS[tag]
    words = f"{_BEYOND_THE_TABLE}: {supplement.reason}"
    if supplement.retained_by and supplement.retained_by in profile.options:
        return KEEP, f"{_BEYOND_THE_TABLE}: {OF_AN_OPTION[supplement.retained_by]}"
    if tag == _TEXT_VALUE and Option.CLEAN_STRUCTURED_CONTENT in profile.options:
        rule = Rule(Action.CLEAN, actions.clean_short_text)
        return rule, OF_AN_OPTION[Option.CLEAN_STRUCTURED_CONTENT]
    if Option.CLEAN_DESCRIPTORS in profile.options and is_descriptor(keyword_for_tag(tag), vr):
        cleaned = _cleaned(tag, vr, supplement.action)
        if cleaned is not None:
            return cleaned, OF_AN_OPTION[Option.CLEAN_DESCRIPTORS]
    return _basic(tag, vr, supplement.action), words

"""What a profile does to every attribute, as a table for people."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.datadict import dictionary_description, keyword_for_tag

from .actions import Action, Rule
from .codec import vr_of_tag
from .iod_types import REQUIRED_SOMEWHERE
from .options import is_free_text
from .own_rules import OwnRule
from .private_rules import NOT_ON_THE_LIST, ON_THE_LIST, PrivateRules
from .profile import Option, Profile
from .rules import OF_AN_OPTION, decide
from .safe_private import SafePrivate
from .supplements import SUPPLEMENTS
from .table import MASKED_ROWS, ROWS, BasicAction

_IN_WORDS = {
    Action.KEEP: "Stays as it is.",
    Action.REMOVE: "Is removed.",
    Action.EMPTY: "Stays without a value.",
    Action.DUMMY: "Gets a value that says nothing.",
    Action.REPLACE_UID: "Gets a new UID, the same for the same old one.",
    Action.REPLACE_ID: "Gets a keyed replacement, the same for the same old value.",
    Action.PSEUDONYM: "Gets the subject's pseudonym.",
    Action.SHIFT: "Is shifted by the patient's number of days.",
    Action.CLEAN: "Stays without the identifiers of the patient and of others.",
    Action.WRITE: "Is written by ADIT.",
}
_RECURSED = "Stays, and its items are treated attribute by attribute."
_FREE_TEXT = (
    "Is removed or replaced although Clean Descriptors is on: no rule can check what somebody "
    "wrote freely."
)
_BY_IOD = (
    " Where the attribute is optional or may be empty in the kind of object, it is removed or "
    "emptied instead."
)

_REQUIRED = (
    " In presentation states and reports, which are not valid without it, it gets a value that "
    "says nothing, or none."
)


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One attribute, or a group of attributes.

    Attributes:
        tag: `(GGGG,EEEE)`, with `x` where any digit may stand.
        name: In words.
        keyword: Of PS3.6; empty for groups and private elements.
        vr: Value representation; empty for groups.
        basic: Action code of PS3.15 Table E.1-1; empty where the table does not name it.
        action: What the profile does, a value of `Action`.
        rule: What decides: the Basic Profile, an option, an own rule, the safe private list.
        in_words: One sentence for people who know no codes.
    """

    tag: str
    name: str
    keyword: str
    vr: str
    basic: str
    action: str
    rule: str
    in_words: str


def attribute_table(profile: Profile) -> list[AttributeRow]:
    """All rows of Table E.1-1 and what ADIT adds, groups, own rules and safe private elements."""
    rows = {tag: _standard(profile, tag, basic.value) for tag, basic in ROWS.items()}
    for tag in SUPPLEMENTS:
        if tag not in rows and tag >> 16:
            rows[tag] = _standard(profile, tag, "")
    for own in profile.own_rules:
        if not own.is_private and own.number not in rows:
            rows[own.number] = _standard(profile, own.number, "")
    ordered = [rows[tag] for tag in sorted(rows)]
    ordered += [_group(profile, *masked) for masked in MASKED_ROWS]
    ordered += _private(profile)
    return ordered


def _standard(profile: Profile, tag: int, basic: str) -> AttributeRow:
    rule, why = decide(profile, tag, "")
    vr = vr_of_tag(tag)
    words = _RECURSED if vr == b"SQ" and rule.action is Action.KEEP else _IN_WORDS[rule.action]
    cleaning = Option.CLEAN_DESCRIPTORS in profile.options
    if (
        cleaning
        and is_free_text(keyword_for_tag(tag), vr)
        and rule.action is not Action.CLEAN
        and not why.startswith("Own rule")
    ):
        words = _FREE_TEXT
    elif rule.action is Action.SHIFT and vr == b"TM":
        words = "Stays: dates are moved by whole days."
    elif rule.action in (Action.DUMMY, Action.EMPTY) and "/" in basic and "X" in basic:
        words += _BY_IOD
    elif rule.action is Action.REMOVE and tag in REQUIRED_SOMEWHERE:
        words += _REQUIRED
    return AttributeRow(
        tag=f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
        name=_name(tag),
        keyword=keyword_for_tag(tag),
        vr=vr.decode(),
        basic=basic,
        action=rule.action.value,
        rule=why,
        in_words=words,
    )


def _name(tag: int) -> str:
    try:
        return dictionary_description(tag)
    except KeyError:
        return "Unknown attribute"


def _group(profile: Profile, tag: int, mask: int, basic: BasicAction) -> AttributeRow:
    rule, why = decide(profile, tag if tag & 0xFFFF else tag | 0x10, "")
    digits = "".join(
        "x" if not mask >> shift & 0xF else f"{tag >> shift & 0xF:X}" for shift in range(28, -4, -4)
    )
    known = mask & 0xFFFF == 0xFFFF
    return AttributeRow(
        tag=f"({digits[:4]},{digits[4:]})",
        name=_name(tag) if known else "Curves",
        keyword=keyword_for_tag(tag) if known else "",
        vr=vr_of_tag(tag).decode() if known else "",
        basic=basic.value,
        action=rule.action.value,
        rule=why,
        in_words=_IN_WORDS[rule.action],
    )


def _private(profile: Profile) -> list[AttributeRow]:
    rules = PrivateRules(profile)
    found = [
        AttributeRow(
            tag="(odd groups)",
            name="Private elements",
            keyword="",
            vr="",
            basic=BasicAction.REMOVE.value,
            action=Action.REMOVE.value,
            rule=NOT_ON_THE_LIST if rules.safe else "PS3.15 Basic Profile: X",
            in_words="Are removed, unless a row below keeps them.",
        )
    ]
    for (creator, group, element), own in rules.own.items():
        tag = group << 16 | 0x1000 | element
        rule, why, _ = rules.decide(creator, tag, _vr_of(rules, own))
        found.append(_private_row(creator, group, element, own.vr, own.reason, rule, why))
    for own in rules.own_by_tag.values():
        rule, why, _ = rules.decide("", own.number, _vr_of(rules, own))
        row = _private_row(
            "any maker", own.number >> 16, own.number & 0xFFFF, own.vr, own.reason, rule, why
        )
        found.append(row)
    for place, entry in sorted(rules.safe.items()):
        if place not in rules.own:
            found.append(_safe_row(rules, entry))
    return found


def _vr_of(rules: PrivateRules, own: OwnRule) -> bytes:
    entry = rules.safe.get((own.private_creator, own.number >> 16, own.number & 0xFF))
    return (own.vr or (entry.vr if entry else "LO")).encode()


def _safe_row(rules: PrivateRules, entry: SafePrivate) -> AttributeRow:
    vr = entry.vr.encode()
    tag = entry.group << 16 | 0x1000 | entry.element
    rule, _, _ = rules.decide(entry.creator, tag, vr)
    why = f"{OF_AN_OPTION[Option.RETAIN_SAFE_PRIVATE]}: {ON_THE_LIST.lower()}"
    name = entry.note or "Private element"
    return _private_row(entry.creator, entry.group, entry.element, entry.vr, name, rule, why)


def _private_row(
    creator: str, group: int, element: int, vr: str, name: str, rule: Rule, why: str
) -> AttributeRow:
    place = f"({group:04X},xx{element:02X})" if element <= 0xFF else f"({group:04X},{element:04X})"
    words = _IN_WORDS[rule.action]
    if rule.action is Action.KEEP and rule.apply is not None:
        words = "Stays; identifiers of the patient are taken out of its text."
    return AttributeRow(
        tag=place,
        name=f"{name} [{creator}]",
        keyword="",
        vr=vr,
        basic=BasicAction.REMOVE.value,
        action=rule.action.value,
        rule=why,
        in_words=words,
    )

"""Private elements and rules about them, in every transfer syntax."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adit.core.deid import Assignment, Option, OwnRule, RuleAction, SafePrivate
from adit.core.deid.tests.objects import (
    ct_header,
    decode,
    encode,
    process,
    process_dataset,
    profile,
)


def rule(tag: str, action: RuleAction, value: str = "", creator: str = "", vr: str = "") -> OwnRule:
    return OwnRule(
        tag=tag, action=action, value=value, reason="Test", private_creator=creator, vr=vr
    )


IN_EVERY_SYNTAX = {
    # number: VR, value, what an own rule puts in its place
    1: ("LO", "Charité Kernel 5 Schmidt", "hello wörld"),
    2: ("UI", "1.2.3.4.5.6.7.8.9.77", "1.2.3"),
    3: ("DA", "20181130", "20000101"),
    4: ("PN", "Meier^Fritz", "Nobody"),
    5: ("DT", "20181130101112", "2001"),
    6: ("TM", "101112", "10"),
    7: ("AS", "098Y", "050Y"),
    8: ("US", 7, "9"),
    9: ("DS", "1.5", "2"),
    10: ("OB", b"ab", None),
    11: ("UT", "long text of Schmidt", "x"),
}
SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def private_values(under, syntax: str, pseudonym: str = "SUBJ-7") -> list[Any]:
    """What stands in private elements, each read by its VR."""
    dataset = ct_header(SpecificCharacterSet="ISO_IR 100", StudyDate="20181130")
    block = dataset.private_block(0x0019, "MAKER", create=True)
    for number, (vr, value, _) in IN_EVERY_SYNTAX.items():
        block.add_new(number, vr, value)
    data, result = process(
        encode(dataset, syntax), syntax, under=under, assignment=Assignment(pseudonym=pseudonym)
    )
    assert result.findings == []
    done = decode(data, syntax)
    order = "big" if syntax == ExplicitVRBigEndian else "little"
    found: list[Any] = []
    for number, (vr, _, _) in IN_EVERY_SYNTAX.items():
        item = done.get_item(0x00191000 | number)
        raw = (item.value or b"") if item is not None else None
        found.append(int.from_bytes(raw, order) if vr == "US" and raw else raw)
    return found


@pytest.mark.parametrize("pseudonym", ["SUBJ-7", "Ś患"])
def test_private_elements_are_treated_alike_in_every_transfer_syntax(pseudonym: str):
    places = {number: f"001900{number:02X}" for number in IN_EVERY_SYNTAX}
    safe = tuple(
        SafePrivate(creator="MAKER", group=0x19, element=number, vr=vr)
        for number, (vr, _, _) in IN_EVERY_SYNTAX.items()
    )
    dates = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES
    profiles = [profile(Option.RETAIN_SAFE_PRIVATE, dates, safe_private=safe)]
    for action in (RuleAction.CLEAN, RuleAction.HASH, RuleAction.REPLACE):
        rules = [
            rule(places[number], action, value if action is RuleAction.REPLACE else "", "MAKER", vr)
            for number, (vr, _, value) in IN_EVERY_SYNTAX.items()
            if action is not RuleAction.REPLACE or value is not None
        ]
        profiles.append(profile(dates, own_rules=tuple(rules)))

    for under in profiles:
        implicit, explicit, big = (private_values(under, s, pseudonym) for s in SYNTAXES)
        assert implicit == explicit == big

    kept = private_values(profiles[0], ImplicitVRLittleEndian)
    assert b"Schmidt" not in kept[0] and b"Kernel" in kept[0]
    assert kept[1].startswith(b"2.25.") and kept[3] == b""
    assert kept[2] not in (b"20181130", b"") and kept[6] == b"090Y"


def test_a_rule_of_another_vr_than_the_element_empties_it():
    dataset = ct_header()
    dataset.private_block(0x0019, "MAKER", create=True).add_new(1, "US", 7)

    other = rule("00190001", RuleAction.REPLACE, "hello", "MAKER", "LO")
    done, _ = process_dataset(dataset, under=profile(own_rules=(other,)))

    assert not done[0x00191001].value


@pytest.mark.parametrize("action", ["keep", "clean", "hash", "replace"])
@pytest.mark.parametrize("vr", ["", "UN", "XX"])
def test_a_rule_for_a_private_element_states_its_vr(action: str, vr: str):
    data = {"tag": "00190001", "private_creator": "MAKER", "reason": "x", "vr": vr}

    with pytest.raises(ValueError, match="^vr: .*UN"):
        OwnRule.from_json({**data, "action": action})


@pytest.mark.parametrize("tags", [("00190001", "00191001"), ("00191001", "00191001")])
def test_two_rules_for_one_private_element_are_refused(tags: tuple[str, str]):
    rules = [rule(tag, RuleAction.KEEP, creator="MAKER", vr="LO") for tag in tags]

    with pytest.raises(ValueError, match="two rules"):
        profile(own_rules=tuple(rules))
    assert profile(own_rules=(rules[0], rule("00191001", RuleAction.REMOVE))).own_rules

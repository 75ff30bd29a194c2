"""Private elements under a profile: on the safe list, under an own rule, or removed.

A private element is known by its creator's name, its group and the lower byte of its number; the
upper byte says only where the creator's block lies in this object (PS3.5 7.8.1). The creator's
element stays where something of its block stays, and goes with the last of it (PS3.15 E.3.10).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from .actions import Rule
from .codec import Element
from .own_actions import KEEP, REMOVE, rule_of, safe_private_rule
from .own_rules import OwnRule
from .profile import Option, Profile
from .safe_private import SAFE_PRIVATE, SafePrivate

NOT_ON_THE_LIST = "Private element, not on the safe list"
ON_THE_LIST = "Private element, on the safe list"


class PrivateRules:
    """Decides on private elements. Rules are made once, so that they compare by identity."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.own: dict[tuple[str, int, int], OwnRule] = {}
        self.own_by_tag: dict[int, OwnRule] = {}
        self.safe: dict[tuple[str, int, int], SafePrivate] = {}
        for own in profile.own_rules:
            if own.private_creator:
                self.own[own.place] = own
            elif own.is_private:
                self.own_by_tag[own.number] = own
        if Option.RETAIN_SAFE_PRIVATE in profile.options:
            for entry in (*SAFE_PRIVATE, *profile.safe_private):
                self.safe[entry.creator, entry.group, entry.element] = entry
        self._made: dict[tuple[object, bytes], Rule] = {}

    @cached_property
    def creators(self) -> frozenset[tuple[str, int]]:
        """Creators and groups about which the profile says something."""
        return frozenset((creator, group) for creator, group, _ in (*self.safe, *self.own))

    @property
    def any_stays(self) -> bool:
        """Whether private elements have to be looked at one by one."""
        return bool(self.safe or self.own or self.own_by_tag)

    def decide(self, creator: str, tag: int, vr: bytes) -> tuple[Rule, str, bytes]:
        """Rule for an element of a creator's block, why, and the VR by which its value is read.

        That is the object's own where it tells one, and else the one that the profile states.
        """
        place = (creator, tag >> 16, tag & 0xFF)
        own = self.own.get(place) or self.own_by_tag.get(tag)
        entry = self.safe.get(place)
        stated = (own.vr if own else "") or (entry.vr if entry else "")
        if vr == b"UN" and stated:
            vr = stated.encode()
        if own is not None:
            return self._rule(own, vr), f"Own rule: {own.reason}", vr
        if entry is not None:
            return self._rule(entry, vr), ON_THE_LIST, vr
        return REMOVE, NOT_ON_THE_LIST, vr

    def _rule(self, source: OwnRule | SafePrivate, vr: bytes) -> Rule:
        key = (source, vr)
        rule = self._made.get(key)
        if rule is None:
            if isinstance(source, OwnRule):
                rule = rule_of(source, vr)
            else:
                rule = safe_private_rule(self._profile, vr)
            self._made[key] = rule
        return rule


class PrivateLevel:
    """The private elements of one level of an object."""

    def __init__(self, rules: PrivateRules, elements: Sequence[Element], buffer: bytes) -> None:
        self._rules = rules
        self.creators: dict[int, str] = {}
        for element in elements:
            group, number = element.tag >> 16, element.tag & 0xFFFF
            if group & 1 and 0x10 <= number <= 0xFF:
                raw = buffer[element.value : element.end].strip(b" \0")
                self.creators[group << 8 | number] = raw.decode("ascii", "replace")
        self._staying = {
            element.tag >> 8
            for element in elements
            if element.tag >> 16 & 1
            and element.tag & 0xFFFF > 0xFF
            and self.decide(element)[0] is not REMOVE
        }

    def decide(self, element: Element) -> tuple[Rule, str, bytes]:
        """Rule for a private element or creator, why, and its VR as far as it is known."""
        tag = element.tag
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            if tag >> 16 << 8 | tag & 0xFF in self._staying:
                return KEEP, "Creator of a private block of which something stays", b"LO"
            return REMOVE, NOT_ON_THE_LIST, b"LO"
        rule, why, vr = self._rules.decide(self.creators.get(tag >> 8, ""), tag, element.vr)
        if element.items is None and vr == b"SQ" and element.vr != b"SQ" and rule is KEEP:
            return REMOVE, "Private sequence whose items cannot be read", vr
        return rule, why, vr

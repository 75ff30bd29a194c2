"""What two versions of a profile do differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adit.core.deid import BurnedInPolicy, Option
from adit.core.models import DeidProfile
from adit.core.pages.profiles.words import BURNED_IN, OPTIONS, RULE_ACTIONS


@dataclass(frozen=True)
class Difference:
    """One line: what it is about, how it was, how it is; "" where there was or is nothing."""

    what: str
    before: str
    after: str


def differences(old: DeidProfile, new: DeidProfile) -> list[Difference]:
    """Line by line what changed from `old` to `new`; nothing of the secret but whether it did."""
    before, after = _lines(old), _lines(new)
    found = [
        Difference(what, before.get(what, ""), after.get(what, ""))
        for what in dict.fromkeys([*before, *after])
        if before.get(what, "") != after.get(what, "")
    ]
    if old.secret != new.secret:
        text = "a new one: UIDs and dates do not fit to those of the other version"
        found.append(Difference("Secret", "another one", text))
    return found


def _lines(profile: DeidProfile) -> dict[str, str]:
    lines = {
        OPTIONS[option].name: "yes" if option.value in profile.options else "no"
        for option in Option
    }
    lines["Shift by whole weeks"] = _yes(profile.whole_weeks)
    lines["Leak gate"] = _yes(profile.leak_gate)
    lines["Burned-in annotations"] = BURNED_IN[BurnedInPolicy(profile.burned_in)].name
    lines["Excluded modalities"] = ", ".join(profile.excluded_modalities) or "none"
    lines["Groups"] = ", ".join(sorted(group.name for group in profile.groups.all())) or "all"
    for rule in profile.own_rules:
        lines[f"Own rule for {rule_place(rule)}"] = rule_words(rule)
    for entry in profile.safe_private:
        lines[f"Safe private {safe_place(entry)}"] = f"{entry['vr']}: {entry.get('note') or 'kept'}"
    for region in profile.device_regions:
        name = f"Device region {region['manufacturer']} {region['model']}"
        size = f"{region['columns']} × {region['rows']}"
        lines[f"{name} ({size} {region.get('modality', '')})".replace(" )", ")")] = "; ".join(
            ", ".join(map(str, box)) for box in region["boxes"]
        )
    return lines


def rule_place(rule: dict[str, Any]) -> str:
    creator = rule.get("private_creator")
    return f"{rule['tag']} ({creator})" if creator else rule["tag"]


def rule_words(rule: dict[str, Any]) -> str:
    action = next(words for known, words in RULE_ACTIONS.items() if known.value == rule["action"])
    value = f" “{rule['value']}”" if rule.get("value") else ""
    vr = f" as {rule['vr']}" if rule.get("vr") else ""
    return f"{action}{value}{vr}: {rule['reason']}"


def safe_place(entry: dict[str, Any]) -> str:
    return f"({entry['group']:04X},xx{entry['element']:02X}) {entry['creator']}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"

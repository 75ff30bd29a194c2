"""What profiles do, in words for people who know no codes."""

from __future__ import annotations

from dataclasses import dataclass

from adit.core.deid import BurnedInPolicy, Option, RuleAction


@dataclass(frozen=True)
class Words:
    """A name and what it means."""

    name: str
    meaning: str


OPTIONS: dict[Option, Words] = {
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES: Words(
        "Shift dates",
        "All dates of a patient move by the same hidden number of days, so that intervals and ages "
        "stay. Without a choice of dates they are removed or replaced.",
    ),
    Option.RETAIN_LONGITUDINAL_FULL_DATES: Words(
        "Keep dates as they are",
        "Dates and times stay. They can be compared with hospital records: needs a good reason.",
    ),
    Option.RETAIN_PATIENT_CHARACTERISTICS: Words(
        "Keep patient characteristics",
        "Sex, age, size, weight, smoking status and the like stay.",
    ),
    Option.RETAIN_DEVICE_IDENTITY: Words(
        "Keep device identity",
        "Serial number, station name and identifiers of the scanner stay. The manufacturer and the "
        "model stay anyway.",
    ),
    Option.RETAIN_INSTITUTION_IDENTITY: Words(
        "Keep institution identity", "Name, address and department of the hospital stay."
    ),
    Option.RETAIN_UIDS: Words(
        "Keep UIDs",
        "Study, series and instance UIDs stay, so that everybody with access to the source finds "
        "the original.",
    ),
    Option.RETAIN_SAFE_PRIVATE: Words(
        "Keep safe private elements",
        "Private elements on the standard's list and on the list below stay; all others go.",
    ),
    Option.CLEAN_DESCRIPTORS: Words(
        "Clean descriptions",
        "Short descriptions of studies, series and protocols stay without what identifies the "
        "patient, without the institution's name and without anything that looks like a date, a "
        "phone or a long number; free text goes. Without this option the descriptions go as well.",
    ),
    Option.CLEAN_STRUCTURED_CONTENT: Words(
        "Clean structured reports",
        "The content of structured reports stays item by item: measurements and codes as they are, "
        "names invented, dates and UIDs treated as everywhere, short texts cleaned as descriptions "
        "are, and longer ones replaced by a keyed code, since no rule can check what somebody "
        "wrote. Allow the modality SR below, or no "
        "report is transferred.",
    ),
    Option.CLEAN_GRAPHICS: Words(
        "Clean graphics",
        "Graphic annotations stay, item by item, without what identifies. Allow the modality PR "
        "below, or no presentation state is transferred. Overlays go anyway.",
    ),
    Option.CLEAN_PIXEL_DATA: Words(
        "Blank known regions of the image",
        "Where a device region below fits, its boxes are blanked in every frame; in ultrasound "
        "images, so is all that lies outside of the regions that they declare. An ultrasound image "
        "that declares no regions is not blanked and counts as uncleaned, and text that somebody "
        "typed inside of a region stays. Compressed images are written uncompressed then.",
    ),
}

BURNED_IN: dict[BurnedInPolicy, Words] = {
    BurnedInPolicy.HOLD: Words("Hold", "Staff looks at them and releases or discards them."),
    BurnedInPolicy.EXCLUDE: Words("Exclude", "They are not transferred; the receipt says why."),
    BurnedInPolicy.ALLOW: Words("Allow", "They are transferred, with whatever their pixels show."),
}

RULE_ACTIONS: dict[RuleAction, str] = {
    RuleAction.REMOVE: "Remove",
    RuleAction.EMPTY: "Empty",
    RuleAction.REPLACE: "Replace by the value",
    RuleAction.HASH: "Replace by a keyed code",
    RuleAction.CLEAN: "Clean",
    RuleAction.KEEP: "Keep",
}

# What the engine calls its actions, and what people call them.
ENGINE_ACTIONS = {
    "keep": "Kept",
    "remove": "Removed",
    "empty": "Emptied",
    "dummy": "Replaced by an invented value",
    "replace_uid": "Replaced by a new UID",
    "replace_id": "Replaced by a keyed code",
    "pseudonym": "Replaced by the pseudonym",
    "shift": "Date shifted",
    "clean": "Cleaned",
    "write": "Written",
    "replace": "Replaced",
    "hash": "Replaced by a keyed code",
}


def action_words(action: str) -> str:
    """The words for an action of the engine."""
    return ENGINE_ACTIONS.get(str(action), str(action).replace("_", " ").capitalize())

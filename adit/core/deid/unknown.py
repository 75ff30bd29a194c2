"""Names for attributes that nobody has seen before; never a value of the patient."""

from __future__ import annotations

from collections import Counter

from .cleaning import Cleaner

_LONGEST_CREATOR = 64


def names_of_unknown(found: Counter[tuple[int, bytes]], cleaner: Cleaner) -> Counter[str]:
    """Private blocks by creator and group, tags that PS3.6 does not know by number.

    A creator is a value: one that holds an identifier of the patient, or what is no text, is not
    repeated.
    """
    names: Counter[str] = Counter()
    for (tag, raw), count in found.items():
        if not tag >> 16 & 1:
            names[f"({tag >> 16:04X},{tag & 0xFFFF:04X})"] += count
            continue
        creator = raw.strip(b" \0").decode("ascii", "replace")
        readable = creator.isprintable() and "\ufffd" not in creator
        if not readable or len(creator) > _LONGEST_CREATOR:
            creator = "unreadable creator"
        elif cleaner.clean(creator, True) != creator:
            creator = "creator not shown"
        names[f"({tag >> 16:04X}) {creator or 'empty creator'}"] += count
    return names

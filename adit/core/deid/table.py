"""PS3.15 Table E.1-1, column Basic Profile, from the package `dicom-anonymizer` (2026c)."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as edition


class BasicAction(StrEnum):
    """Action codes of PS3.15 Table E.1-1."""

    REMOVE = "X"
    ZERO = "Z"
    DUMMY = "D"
    UID = "U"
    ZERO_OR_DUMMY = "Z/D"
    REMOVE_OR_ZERO = "X/Z"
    REMOVE_OR_DUMMY = "X/D"
    REMOVE_ZERO_OR_DUMMY = "X/Z/D"
    REMOVE_ZERO_OR_UID = "X/Z/U*"


_COLUMNS = (
    (BasicAction.REMOVE, edition.X_TAGS),
    (BasicAction.ZERO, edition.Z_TAGS),
    (BasicAction.DUMMY, edition.D_TAGS),
    (BasicAction.UID, edition.U_TAGS),
    (BasicAction.ZERO_OR_DUMMY, edition.Z_D_TAGS),
    (BasicAction.REMOVE_OR_ZERO, edition.X_Z_TAGS),
    (BasicAction.REMOVE_OR_DUMMY, edition.X_D_TAGS),
    (BasicAction.REMOVE_ZERO_OR_DUMMY, edition.X_Z_D_TAGS),
    (BasicAction.REMOVE_ZERO_OR_UID, edition.X_Z_U_STAR_TAGS),
)


def _load() -> tuple[dict[int, BasicAction], tuple[tuple[int, int, BasicAction], ...]]:
    single: dict[int, BasicAction] = {}
    masked: list[tuple[int, int, BasicAction]] = []
    for action, tags in _COLUMNS:
        for entry in tags:
            tag = entry[0] << 16 | entry[1]
            if len(entry) == 2:
                single[tag] = action
            else:  # (group, element, mask of the group, mask of the element), for 50xx and 60xx
                masked.append((tag, entry[2] << 16 | entry[3], action))
    return single, tuple(masked)


_single, MASKED_ROWS = _load()
ROWS = MappingProxyType(_single)
"""Rows of one tag each. Ranges of tags are `MASKED_ROWS` (tag, mask, action)."""


def basic_action(tag: int) -> BasicAction | None:
    """Action for a standard attribute, `None` where the table does not name it.

    Private attributes (odd groups) are always removed (row "Private Attributes").
    """
    action = ROWS.get(tag)
    if action is None:
        if tag >> 16 & 1:
            return BasicAction.REMOVE
        for masked, mask, masked_action in MASKED_ROWS:
            if tag & mask == masked:
                return masked_action
    return action

"""Which modality an object is of, by what it says and by its SOP class, for a profile to exclude.

Modality may be missing, misspelt or wrong, and the SOP class is what receivers go by: a report
stays a report when it says `OT`. Listed are the kinds of objects whose Modality has one value only
(PS3.3 A.35, A.33, A.51 and others).
"""

from __future__ import annotations

from functools import lru_cache

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_BY_CLASS = {
    "CT": "2 2.1 2.2",
    "DOC": "104.1 104.2",
    "KO": "88.59",
    "MG": "1.2 1.2.1",
    "MR": "4 4.1 4.2 4.3 4.4",
    "NM": "20",
    "PR": "11 9.100",
    "PT": "128 128.1 130",
    "RTDOSE": "481.2",
    "RTIMAGE": "481.1",
    "RTPLAN": "481.5 481.8",
    "RTRECORD": "481.4 481.6 481.7 481.9",
    "RTSTRUCT": "481.3",
    "SEG": "66.4 66.5 66.7",
    "SR": "88",
    "US": "3 3.1 6 6.1 6.2",
    "XA": "12.1 12.1.1",
}
_CLASSES = {
    _STORAGE + suffix: modality for modality, all_ in _BY_CLASS.items() for suffix in all_.split()
}
_PREFIXES = tuple(
    (_STORAGE + suffix + ".", _CLASSES[_STORAGE + suffix]) for suffix in ("88", "11", "9.100")
)
"""Whole families, so that kinds of a later edition belong to them."""


@lru_cache(maxsize=1024)
def modality_of_class(sop_class_uid: str) -> str:
    """Modality of a kind of object; empty where the kind allows several, or is not known."""
    known = _CLASSES.get(sop_class_uid)
    if known:
        return known
    return next((name for prefix, name in _PREFIXES if sop_class_uid.startswith(prefix)), "")


def excluded_as(excluded: frozenset[str], modality: str, sop_class_uid: str) -> str:
    """The modality by which an object is excluded; empty if it is not.

    Args:
        excluded: Modalities of the profile.
        modality: Value of Modality, in any case, with one value or several.
        sop_class_uid: SOP Class UID.
    """
    unwanted = {name.strip().upper() for name in excluded}
    said = [value.strip(" \0").upper() for value in modality.split("\\")]
    return next((m for m in (*said, modality_of_class(sop_class_uid)) if m in unwanted and m), "")

"""What the patient's attributes are in structured content (PS3.15 E.3.4, PS3.16 TID 1007, 5201).

Under Clean Structured Content the items of content stay, and what stands in them is treated by
attribute: names of persons (PNAME) are invented, dates and UIDs as all dates and UIDs. Text (TEXT)
as short as a descriptor is cleaned as one; longer text becomes a keyed word, the same for the same
text, since no rule can check what somebody wrote freely. So does text that is somebody's name or
number by its concept. What is left are codes and numbers. Those that say what the Basic Profile
removes from the header lose their value. The items themselves stay, in their order: others refer
to them by place.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.datadict import keyword_dict

from . import actions
from .actions import Action, Rule
from .codec import Element, Item
from .profile import Option, Profile

CONTENT_SEQUENCES = frozenset(
    keyword_dict[keyword]
    for keyword in (
        "ContentSequence",
        "AcquisitionContextSequence",
        "SpecimenPreparationStepContentItemSequence",
    )
)
_CONCEPT_NAME, _CODE_VALUE = keyword_dict["ConceptNameCodeSequence"], keyword_dict["CodeValue"]

_BIRTH_DATES = frozenset({"121031", "21112-8"})  # DCM Subject Birth Date, LN Birth date
_AGES = frozenset({"121033", "30525-0", "397669002", "424144002"})  # DCM, LN, SCT (two)
_CHARACTERISTICS = frozenset(
    {
        "121032",  # DCM Subject Sex
        "46098-0",  # LN Sex
        "8302-2",  # LN Patient height
        "29463-7",  # LN Patient weight
        "8277-6",  # LN Body surface area
        "39156-5",  # LN Body mass index
        "50373000",  # SCT Body height
        "27113001",  # SCT Body weight
        "60621009",  # SCT Body mass index
        "F-01860",  # SRT, the same, retired
        "111532",  # DCM Pregnancy Status
        "364320009",  # SCT Pregnancy observable
        "110508",  # DCM Patient pregnant
        "364699009",  # SCT Ethnic group
    }
)
_NAMES_AND_NUMBERS = frozenset(
    {
        "121009",  # Person Observer's Organization Name
        "121018",  # Procedure Study Instance UID, as text of old reports
        "121020",  # Placer Number
        "121021",  # Filler Number
        "121022",  # Accession Number
        "121029",  # Subject Name
        "121030",  # Subject ID
        "121036",  # Mother of fetus
        "121101",  # Physician
        "121103",  # Observer name of old reports
        "128774",  # Person Observer's Login Name
        "113871",  # Person ID
        "113872",  # Person ID Issuer
        "113873",  # Organization Name
        "110190",  # Issuer of Identifier
    }
)
_DEVICES = frozenset(
    {
        "121013",  # Device Observer Name
        "121016",  # Device Observer Serial Number
        "121017",  # Device Observer Physical Location During Observation
        "110119",  # Station AE Title
        "113877",  # Device Name
        "113880",  # Device Serial Number
    }
)
"""Concepts of DCM (PS3.16 Annex D) whose text no cleaning can make useful."""

RULES_OF_THE_SUBJECT: dict[int, Rule] = {
    keyword_dict["TextValue"]: Rule(Action.DUMMY, actions.dummy(b"UT")),
    keyword_dict["MeasuredValueSequence"]: Rule(
        Action.EMPTY, actions.empty, items=actions.no_items
    ),
    keyword_dict["ConceptCodeSequence"]: Rule(
        Action.DUMMY, items=actions.dummy_items("ConceptCodeSequence")
    ),
    keyword_dict["Date"]: Rule(Action.DUMMY, actions.dummy(b"DA")),
    keyword_dict["DateTime"]: Rule(Action.DUMMY, actions.dummy(b"DT")),
    keyword_dict["NumericValue"]: Rule(Action.DUMMY, actions.dummy(b"DS")),
}
"""Values of the items (PS3.3 C.17.3, C.18), whose types allow what stands in their place."""

WORDS = "Structured content about the person, as the attribute of the same meaning"


def concept_of(item: Item, buffer: bytes) -> str:
    """Code of the item's concept name, empty if it has none."""
    for element in item.elements:
        if element.tag == _CONCEPT_NAME and element.items is not None:
            for inner in element.items.items[:1]:
                return _text(inner.elements, buffer)
    return ""


def _text(elements: Sequence[Element], buffer: bytes) -> str:
    for element in elements:
        if element.tag == _CODE_VALUE:
            return buffer[element.value : element.end].decode("ascii", "replace").strip(" \0")
    return ""


def says_who(profile: Profile, concept: str, over_89: bool) -> bool:
    """Whether the value of a content item has to go under a profile."""
    if concept in _NAMES_AND_NUMBERS:
        return True
    if concept in _DEVICES:
        return Option.RETAIN_DEVICE_IDENTITY not in profile.options
    if concept in _BIRTH_DATES:
        return over_89 or Option.RETAIN_LONGITUDINAL_MODIFIED_DATES not in profile.options
    if concept in _AGES:
        return over_89 or Option.RETAIN_PATIENT_CHARACTERISTICS not in profile.options
    if concept in _CHARACTERISTICS:
        return Option.RETAIN_PATIENT_CHARACTERISTICS not in profile.options
    return False

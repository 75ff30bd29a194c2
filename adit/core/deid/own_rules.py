"""Rules that a profile adds to the table: one attribute, one action, one reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from pydicom.datadict import tag_for_keyword

from .codec import vr_of_tag
from .json_fields import text_field
from .replacements import replacement_bytes
from .safe_private import KNOWN_VRS

_HEX = re.compile(r"[0-9A-Fa-f]{8}")
_WRITTEN_BY_ADIT = frozenset(
    {
        0x00080005,  # SpecificCharacterSet
        0x00080016,  # SOPClassUID
        0x00080018,  # SOPInstanceUID
        0x00100010,  # PatientName
        0x00100020,  # PatientID
        0x00120062,  # PatientIdentityRemoved
        0x00120063,  # DeidentificationMethod
        0x00120064,  # DeidentificationMethodCodeSequence
        0x0020000D,  # StudyInstanceUID
        0x0020000E,  # SeriesInstanceUID
        0x00280303,  # LongitudinalTemporalInformationModified
    }
)
_PIXEL_GROUP = 0x7FE0
_OF_THE_IMAGE = frozenset(
    {
        0x00080060,  # Modality
        0x00280002,  # SamplesPerPixel
        0x00280004,  # PhotometricInterpretation
        0x00280006,  # PlanarConfiguration
        0x00280008,  # NumberOfFrames
        0x00280010,  # Rows
        0x00280011,  # Columns
        0x00280100,  # BitsAllocated
        0x00280101,  # BitsStored
        0x00280102,  # HighBit
        0x00280103,  # PixelRepresentation
        *range(0x00281101, 0x00281104),  # Descriptors of palettes
        *range(0x00281201, 0x00281204),  # Data of palettes
        *range(0x00281221, 0x00281224),  # Segmented data of palettes
        0x52009229,  # SharedFunctionalGroupsSequence
        0x52009230,  # PerFrameFunctionalGroupsSequence
        0x54000100,  # WaveformSequence
        0x54001004,  # WaveformBitsAllocated
        0x54001006,  # WaveformSampleInterpretation
        0x54001010,  # WaveformData
    }
)
"""Without these, or with other values, no program reads the object (PS3.3 C.7.6.3)."""


class RuleAction(StrEnum):
    """What an own rule does with its attribute."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    REPLACE = "replace"
    HASH = "hash"
    CLEAN = "clean"


_WITHOUT_VR = frozenset({RuleAction.REMOVE, RuleAction.EMPTY})
_PATIENT_BIRTH_DATE = 0x00100030
_OF_A_SEQUENCE = frozenset({RuleAction.KEEP, RuleAction.REMOVE, RuleAction.EMPTY, RuleAction.CLEAN})


@dataclass(frozen=True, kw_only=True)
class OwnRule:
    """One rule of a profile. It wins over the table and the options, at all levels.

    The leak gate stays in force: what such a rule keeps of the patient's identity is held.

    Attributes:
        tag: Eight hexadecimal digits (GGGGEEEE) or a keyword of PS3.6. With a private creator the
            last two digits count, wherever the creator's block lies (PS3.5 7.8.1).
        private_creator: Owner of a private element; empty for standard attributes.
        action: What is done. `KEEP` and `CLEAN` of a sequence apply the rules to its items; `HASH`
            puts a keyed replacement that fits the VR; `CLEAN` takes identifiers out of text and
            empties what is no text.
        value: In place of the original, with `REPLACE` only.
        vr: Value representation of a private element, unless it is removed or emptied; used where
            the object has UN, or none as in implicit VR. Empty for standard attributes.
        reason: Why; shown in preview, report and attribute table.

    Raises:
        ValueError: One sentence that names the bad field.
    """

    tag: str
    private_creator: str = ""
    action: RuleAction
    value: str = ""
    vr: str = ""
    reason: str

    def __post_init__(self) -> None:
        number = self.number  # raises if the tag is none
        if not self.reason.strip():
            raise ValueError("reason: an own rule needs a reason.")
        if number in _WRITTEN_BY_ADIT or number >> 16 in (0x0002, _PIXEL_GROUP):
            raise ValueError("tag: this attribute is written by ADIT itself or is pixel data.")
        if self.vr and not self.is_private:
            raise ValueError("vr: only private elements need one, that of others is known.")
        if (self.vr or (self.is_private and self.action not in _WITHOUT_VR)) and (
            self.vr not in KNOWN_VRS
        ):
            raise ValueError(
                "vr: a private element needs two capitals of PS3.5 as its maker states them, and "
                "not UN: objects in implicit VR do not tell it."
            )
        vr = self.vr.encode() if self.is_private else vr_of_tag(number)
        sequence = vr == b"SQ"
        keeps = self.action is RuleAction.KEEP or (sequence and self.action is RuleAction.CLEAN)
        if number in _OF_THE_IMAGE and not keeps:
            raise ValueError(
                "tag: without this attribute as it is no program can read the object; it says "
                "nothing of the patient."
            )
        if not self.private_creator and (number & 0xFFFF == 0 or number == 0x00080001):
            raise ValueError("tag: group lengths are never written, a rule has no effect.")
        if self.private_creator and not self.is_private:
            raise ValueError("tag: an element with a private creator has an odd group.")
        if self.is_private and not self.private_creator and 0x10 <= number & 0xFFFF <= 0xFF:
            raise ValueError("tag: a private creator stays with its elements, it has no rule.")
        if self.value and self.action is not RuleAction.REPLACE:
            raise ValueError("value: only the action replace has a value.")
        if sequence and self.action not in _OF_A_SEQUENCE:
            raise ValueError("action: a sequence can be kept, removed, emptied or cleaned.")
        if self.action is RuleAction.REPLACE:
            replacement_bytes(vr, self.value)

    @property
    def number(self) -> int:
        """`group << 16 | element`."""
        if _HEX.fullmatch(self.tag):
            return int(self.tag, 16)
        tag = tag_for_keyword(self.tag)
        if tag is None:
            raise ValueError(
                "tag: neither eight hexadecimal digits nor a keyword of the data dictionary."
            )
        return int(tag)

    @property
    def is_private(self) -> bool:
        return bool(self.number >> 16 & 1)

    @property
    def place(self) -> tuple[str, int, int]:
        """What the rule is about; equal for two rules about one element."""
        element = self.number & (0xFF if self.private_creator else 0xFFFF)
        return self.private_creator, self.number >> 16, element

    @property
    def keeps_a_date(self) -> bool:
        """Whether a date stays that is not about birth: those the leak gate holds."""
        vr = self.vr if self.is_private else vr_of_tag(self.number).decode()
        of_birth = self.number == _PATIENT_BIRTH_DATE
        return self.action is RuleAction.KEEP and vr in ("DA", "DT") and not of_birth

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            ValueError: One sentence that names the bad field.
        """
        action = text_field(data, "action")
        if action not in set(RuleAction):
            raise ValueError(f"action: one of {', '.join(RuleAction)}.")
        return cls(
            tag=text_field(data, "tag").strip().replace(",", "").strip("()"),
            private_creator=text_field(data, "private_creator", "").strip(),
            action=RuleAction(action),
            value=text_field(data, "value", ""),
            vr=text_field(data, "vr", "").strip().upper(),
            reason=text_field(data, "reason"),
        )

    def to_json(self) -> dict[str, str]:
        return {
            "tag": self.tag,
            "private_creator": self.private_creator,
            "action": self.action.value,
            "value": self.value,
            "vr": self.vr,
            "reason": self.reason,
        }

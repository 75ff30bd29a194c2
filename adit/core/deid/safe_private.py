"""Private elements known to hold no identity (PS3.15 E.3.10, Table E.3.10-1).

The standard's list calls itself a sample that no maker vouches for. Left out of it here: bytes and
sequences whose inside is not documented (codec contents of Hologic, acoustic data of Siemens
ultrasound) and free text (the return message of NeuroQuant), since nothing can check them. UIDs
on the list are mapped like all others, and short texts lose the identifiers of the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from .codec import LONG_VRS, SHORT_VRS
from .json_fields import number_field, text_field

KNOWN_VRS = {vr.decode() for vr in SHORT_VRS | LONG_VRS} - {"UN"}
"""Value representations that say something."""


@dataclass(frozen=True, kw_only=True)
class SafePrivate:
    """A private element that may stay.

    Attributes:
        creator: Private creator of its block (PS3.5 7.8.1), exactly as written.
        group: Odd group number.
        element: Lower byte of the element number, 0 to 255.
        vr: Value representation; used where the object has UN, or none as in implicit VR. It
            decides what the value may carry: an object is not to be treated by how it is encoded.
        note: Meaning.

    Raises:
        ValueError: One sentence that names the bad field.
    """

    creator: str
    group: int
    element: int
    vr: str
    note: str = ""

    def __post_init__(self) -> None:
        if not self.creator.strip():
            raise ValueError("creator: a private creator is needed.")
        if not (9 <= self.group <= 0xFFFD and self.group & 1):
            raise ValueError("group: private groups are odd and begin with 0009.")
        if not 0 <= self.element <= 0xFF:
            raise ValueError("element: the lower byte, 0 to 255 (0xFF).")
        if self.vr not in KNOWN_VRS:
            raise ValueError(
                "vr: two capitals of PS3.5 as the maker states them, and not UN: objects in "
                "implicit VR do not tell it."
            )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`; numbers may be text with `0x`.

        Raises:
            ValueError: One sentence that names the bad field.
        """
        return cls(
            creator=text_field(data, "creator").strip(),
            group=number_field(data, "group"),
            element=number_field(data, "element"),
            vr=text_field(data, "vr", "").strip(),
            note=text_field(data, "note", ""),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "creator": self.creator,
            "group": self.group,
            "element": self.element,
            "vr": self.vr,
            "note": self.note,
        }


_TABLE = """
Philips PET Private Group | 7053 | 00 | DS | SUV factor
Philips PET Private Group | 7053 | 09 | DS | Activity concentration factor
ELSCINT1                  | 00E1 | 21 | DS | Dose length product
ELSCINT1                  | 00E1 | 50 | DS | Acquisition duration
ELSCINT1                  | 01E1 | 26 | CS | Phantom type
ELSCINT1                  | 01F1 | 01 | CS | Acquisition type
ELSCINT1                  | 01F1 | 07 | DS | Table velocity
ELSCINT1                  | 01F1 | 26 | DS | Pitch
ELSCINT1                  | 01F1 | 27 | DS | Rotation time
GEMS_ACQU_01              | 0019 | 23 | DS | Table speed in mm per rotation
GEMS_ACQU_01              | 0019 | 24 | DS | Mid scan time in s
GEMS_ACQU_01              | 0019 | 27 | DS | Rotation speed (gantry period)
GEMS_ACQU_01              | 0019 | 9E | LO | Internal pulse sequence name
GEMS_PARM_01              | 0043 | 27 | SH | Scan pitch ratio, n.nnn:1
GEMS_PARM_01              | 0043 | 39 | IS | B value and its neighbours
GEMS_PARM_01              | 0043 | 6F | DS | Scanner table entry and gradient coil
GEMS_HELIOS_01            | 0045 | 01 | SS | Macro rows in the detector
GEMS_HELIOS_01            | 0045 | 02 | FL | Macro width at the isocentre
GEMS_SERS_01              | 0025 | 07 | SL | Images in the series
GEIIS PACS                | 0903 | 10 | US | Reject image flag
GEIIS PACS                | 0903 | 11 | US | Significant flag
GEIIS PACS                | 0903 | 12 | US | Confidential flag
Philips Imaging DD 001    | 2001 | 03 | FL | Diffusion b-factor
Philips Imaging DD 001    | 2001 | 04 | CS | Diffusion direction
Philips MR Imaging DD 001 | 2005 | 0D | FL | Scale intercept
Philips MR Imaging DD 001 | 2005 | 0E | FL | Scale slope
SIEMENS MR HEADER         | 0019 | 0C | IS | B value
SIEMENS MR HEADER         | 0019 | 0D | CS | Diffusion directionality
SIEMENS MR HEADER         | 0019 | 0E | FD | Diffusion gradient direction
SIEMENS MR HEADER         | 0019 | 27 | FD | B matrix
HOLOGIC, Inc.             | 7E01 | 01 | LO | Codec version
HOLOGIC, Inc.             | 7E01 | 02 | SH | Codec content type
NQHeader                  | 0099 | 01 | UI | Version
NQHeader                  | 0099 | 02 | UI | Analyzed series UID
NQHeader                  | 0099 | 04 | SS | Return code
NQHeader                  | 0099 | 10 | FL | MI
NQHeader                  | 0099 | 20 | SH | Units
NQHeader                  | 0099 | 21 | FL | Intracranial volume
"""

_REGIONS_OF_THE_BRAIN = """
cortical white matter
cortical gray matter
3rd ventricle
4th ventricle
5th ventricle
lateral ventricle
inferior lateral ventricle
inferior CSF
cerebellar white matter
cerebellar gray matter
hippocampus
amygdala
thalamus
caudate
putamen
pallidum
ventral diencephalon
nucleus accumbens
brain stem
exterior CSF
WM hypointensities
other
"""

_BEYOND_THE_STANDARD = """
GEMS_ACQU_01              | 0019 | BB | DS | Diffusion gradient direction, x
GEMS_ACQU_01              | 0019 | BC | DS | Diffusion gradient direction, y
GEMS_ACQU_01              | 0019 | BD | DS | Diffusion gradient direction, z
"""


def _rows(table: str) -> Iterator[SafePrivate]:
    for line in table.strip().splitlines():
        creator, group, element, vr, note = (cell.strip() for cell in line.split("|"))
        yield SafePrivate(
            creator=creator, group=int(group, 16), element=int(element, 16), vr=vr, note=note
        )


def _volumes() -> Iterator[SafePrivate]:
    for creator, group, side in (("NQLeft", 0x0199, "Left"), ("NQRight", 0x0299, "Right")):
        for number, region in enumerate(_REGIONS_OF_THE_BRAIN.strip().splitlines(), 1):
            yield SafePrivate(
                creator=creator, group=group, element=number, vr="FL", note=f"{side} {region}"
            )


SAFE_PRIVATE: tuple[SafePrivate, ...] = (
    *_rows(_TABLE),
    *_volumes(),
    *_rows(_BEYOND_THE_STANDARD),
)
"""The built-in list: Table E.3.10-1 as far as it can be checked, and gradient directions without
which diffusion images of GE cannot be used."""

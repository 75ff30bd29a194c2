"""The nouns of the catalogue: patient, study, series."""

from dataclasses import dataclass
from datetime import date, time
from typing import Literal

from pydicom.uid import UID, ExplicitVRLittleEndian

Subject = Literal[
    "head",
    "chest",
    "abdomen",
    "t1",
    "t2",
    "spine",
    "radiograph",
    "sonogram",
    "cine",
    "report",
    "letter",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series: what it shows, how often, and how it is encoded."""

    subject: Subject
    modality: str
    description: str = ""
    instances: int = 1
    edge: int = 256
    syntax: UID = ExplicitVRLittleEndian
    contrast: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One study; `None` means that the attribute is missing."""

    number: str
    day: date | None
    at: time | None
    description: str | None
    series: tuple[Series, ...]
    accession_number: str | None = ""
    body_part: str = ""

    @property
    def instances(self) -> int:
        """How many instances the study has."""
        return sum(series.instances for series in self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient; empty values stay empty in the files."""

    patient_id: str
    name: str
    born: date | None
    sex: str
    studies: tuple[Study, ...]
    character_set: str | tuple[str, ...] = "ISO_IR 100"
    address: str = ""
    physician: str = "House^Gregory^^Dr."
    comments: str = ""

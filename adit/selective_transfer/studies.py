"""Studies and series as the pages of selective transfer know them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time

from django.utils.crypto import salted_hmac

from adit.core.dicom import SeriesResult, StudyResult


@dataclass(frozen=True, kw_only=True)
class ChosenSeries:
    """A series that a user may tick or has ticked."""

    source_id: int
    study_instance_uid: str
    series_instance_uid: str
    series_number: int | None = None
    modality: str = ""
    description: str = ""
    body_part: str = ""
    instances: int | None = None

    @property
    def study_key(self) -> str:
        """The key of the study in a page."""
        return f"{self.source_id}-{self.study_instance_uid}"


@dataclass(frozen=True, kw_only=True)
class ChosenStudy:
    """A study that a user may tick or has ticked; no `chosen_series` means the whole study."""

    source_id: int
    source_name: str
    study_instance_uid: str
    patient_id: str = ""
    patient_name: str = ""
    birth_date: date | None = None
    sex: str = ""
    study_date: date | None = None
    study_time: time | None = None
    description: str = ""
    modalities: tuple[str, ...] = ()
    accession_number: str = ""
    series: int | None = None
    instances: int | None = None
    chosen_series: tuple[ChosenSeries, ...] = field(default=())

    @property
    def key(self) -> str:
        """Names the study in a page; the same study at two sources is two entries."""
        return f"{self.source_id}-{self.study_instance_uid}"

    @property
    def readable_name(self) -> str:
        """The name as people write it (PS3.5 6.2.1: groups by `=`, components by `^`)."""
        return readable_name(self.patient_name)

    @property
    def patient(self) -> tuple[str, ...]:
        """Who the study is of: the patient ID, or without one the name and the birth date, or
        without these the study itself."""
        if self.patient_id:
            return ("id", self.patient_id)
        if self.patient_name and self.birth_date:
            return ("name", self.patient_name, self.birth_date.isoformat())
        return ("study", self.study_instance_uid)

    @property
    def patient_key(self) -> str:
        """Names the patient in field names, from which nobody can tell the ID."""
        return salted_hmac("selective_transfer.patient", "\0".join(self.patient)).hexdigest()[:16]

    @property
    def series_to_move(self) -> int | None:
        return len(self.chosen_series) or self.series

    @property
    def instances_to_move(self) -> int | None:
        if not self.chosen_series:
            return self.instances
        counts = [series.instances for series in self.chosen_series]
        return sum(c for c in counts if c is not None) if None not in counts else None


def study_at(source_id: int, source_name: str, found: StudyResult) -> ChosenStudy:
    """What a source answered, with empty texts for what it left out."""
    return ChosenStudy(
        source_id=source_id,
        source_name=source_name,
        study_instance_uid=found.study_instance_uid,
        patient_id=found.patient_id or "",
        patient_name=found.patient_name or "",
        birth_date=found.patient_birth_date,
        sex=found.patient_sex or "",
        study_date=found.study_date,
        study_time=found.study_time,
        description=found.study_description or "",
        modalities=found.modalities_in_study,
        accession_number=found.accession_number or "",
        series=found.number_of_series,
        instances=found.number_of_instances,
    )


def series_at(study: ChosenStudy, found: SeriesResult) -> ChosenSeries:
    """A series of `study` as its source answered."""
    return ChosenSeries(
        source_id=study.source_id,
        study_instance_uid=study.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        series_number=found.series_number,
        modality=found.modality or "",
        description=found.series_description or "",
        body_part=found.body_part or "",
        instances=found.number_of_instances,
    )


def readable_name(name: str) -> str:
    """`Müller^Jörg` as `Müller, Jörg`; of several writings the first that is there."""
    group = next((group for group in name.split("=") if group.strip("^ ")), "")
    last, _, rest = group.partition("^")
    first = " ".join(part for part in rest.split("^")[:2] if part)
    return ", ".join(part.strip() for part in (last, first) if part.strip())

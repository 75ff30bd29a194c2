"""What is looked for, and how it is written as matching keys (PS3.4 C.2.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Literal

Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]


@dataclass(frozen=True, slots=True)
class DateRange:
    """From `start` to `end`, both included; None is open."""

    start: date | None = None
    end: date | None = None

    def __contains__(self, value: date) -> bool:
        return (self.start is None or self.start <= value) and (
            self.end is None or value <= self.end
        )


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `start` to `end`, both included, on one day; None is open.

    An `end` without a fraction holds its whole second, so that ranges which follow each other by
    the second leave nothing out. Studies without a time are in every range, but a server that is
    asked for a range may keep them back: only a range of the whole day is sure to hold all.
    """

    start: time | None = None
    end: time | None = None

    def __contains__(self, value: time) -> bool:
        if self.start is not None and value < self.start:
            return False
        if self.end is None:
            return True
        return (value if self.end.microsecond else value.replace(microsecond=0)) <= self.end


@dataclass(frozen=True, kw_only=True)
class Query:
    """Keys of any level; "" or None or () matches everything (universal matching).

    Texts may hold the wildcards `*` and `?`. A name may be written "Last, First", which is
    searched as `Last*^First*`. UIDs may be lists.

    `only_uids` asks for nothing but the UIDs of instances: some servers read every file of a series
    for the rest, and take many times as long.

    `patient_at_every_level` asks for the patient ID also below study level, and has it returned:
    for a server that has one Study Instance UID under several patients.
    """

    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: DateRange | date | None = None
    patient_sex: str = ""
    study_instance_uid: str | Sequence[str] = ""
    accession_number: str = ""
    study_id: str = ""
    study_date: DateRange | date | None = None
    study_time: TimeRange | None = None
    modalities: tuple[str, ...] = ()
    study_description: str = ""
    series_instance_uid: str | Sequence[str] = ""
    series_number: int | None = None
    modality: str = ""
    series_description: str = ""
    body_part: str = ""
    sop_instance_uid: str | Sequence[str] = ""
    sop_class_uid: str = ""
    instance_number: int | None = None
    only_uids: bool = False
    patient_at_every_level: bool = False


PATIENT_KEYS = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
STUDY_KEYS = (
    "StudyInstanceUID",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ModalitiesInStudy",
    "StudyDescription",
)
SERIES_KEYS = (
    "SeriesInstanceUID",
    "SeriesNumber",
    "Modality",
    "SeriesDescription",
    "BodyPartExamined",
)
IMAGE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")
UNIQUE_KEYS = {
    "PATIENT": ("PatientID",),
    "STUDY": ("PatientID", "StudyInstanceUID"),
    "SERIES": ("PatientID", "StudyInstanceUID", "SeriesInstanceUID"),
    "IMAGE": ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
_LEVEL_KEYS: dict[Level, tuple[str, ...]] = {
    "PATIENT": PATIENT_KEYS,
    "STUDY": STUDY_KEYS,
    "SERIES": SERIES_KEYS,
    "IMAGE": IMAGE_KEYS,
}
_RETURN_KEYS: dict[Level, tuple[str, ...]] = {
    "PATIENT": ("NumberOfPatientRelatedStudies",),
    "STUDY": ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "SOPClassesInStudy"),
    "SERIES": ("NumberOfSeriesRelatedInstances",),
    "IMAGE": ("AvailableTransferSyntaxUID", "NumberOfFrames"),
}


def matching_keys(query: Query) -> dict[str, str]:
    """The keys that restrict the query, as DICOM text by keyword; lists joined with a backslash."""
    keys = {
        "PatientID": query.patient_id.strip(),
        "PatientName": name_pattern(query.patient_name),
        "PatientBirthDate": date_key(query.patient_birth_date),
        "PatientSex": query.patient_sex,
        "StudyInstanceUID": _uids(query.study_instance_uid),
        "AccessionNumber": query.accession_number.strip(),
        "StudyID": query.study_id.strip(),
        "StudyDate": date_key(query.study_date),
        "StudyTime": time_key(query.study_time),
        # Several modalities are "or" here; the standard leaves that open, so each peer is asked
        # for one modality, or for all and filtered on our side.
        "ModalitiesInStudy": query.modalities[0] if len(query.modalities) == 1 else "",
        "StudyDescription": query.study_description.strip(),
        "SeriesInstanceUID": _uids(query.series_instance_uid),
        "SeriesNumber": "" if query.series_number is None else str(query.series_number),
        "Modality": query.modality,
        "SeriesDescription": query.series_description.strip(),
        "BodyPartExamined": query.body_part,
        "SOPInstanceUID": _uids(query.sop_instance_uid),
        "SOPClassUID": query.sop_class_uid,
        "InstanceNumber": "" if query.instance_number is None else str(query.instance_number),
    }
    return {keyword: value for keyword, value in keys.items() if value}


def request_keys(query: Query, level: Level, *, patient_root: bool = False) -> dict[str, str]:
    """All keys of a C-FIND request at `level`, the return keys ("") included.

    Below its own level a request holds only the unique keys above it (PS3.4 C.4.1.2.1), in the
    Study Root model the patient's attributes belong to the study level (PS3.4 C.6.2.1).
    """
    given = matching_keys(query)
    own, more = _LEVEL_KEYS[level], _RETURN_KEYS[level]
    if level == "IMAGE" and query.only_uids:
        own, more = tuple(key for key in own if key == "SOPInstanceUID" or key in given), ()
    if level == "STUDY" and not patient_root:
        own = PATIENT_KEYS + own
    above = [key for key in UNIQUE_KEYS[level] if key not in own and key in given]
    if query.patient_at_every_level:
        # More than the standard lets below study level; who has to ask so has no other way.
        above += [key for key in ("PatientID",) if key not in (*above, *own)]
    elif level != "STUDY" and not patient_root and "PatientID" in above:
        above.remove("PatientID")
    keys = {key: given.get(key, "") for key in (*above, *own, *more)}
    if level == "STUDY" and patient_root:
        keys |= {key: "" for key in PATIENT_KEYS if key not in keys}
    return dict(sorted(keys.items()))


def name_pattern(name: str) -> str:
    """A name as users write it, as a pattern for PatientName: "Last, First" is `Last*^First*`."""
    name = name.strip()
    if "," not in name:
        return name
    parts = [part.strip() for part in name.split(",")]
    patterns = [part if part.endswith("*") or not part else f"{part}*" for part in parts]
    return "^".join(patterns).rstrip("^")


def date_key(value: DateRange | date | None) -> str:
    """A date or range as a key (PS3.4 C.2.2.2.5)."""
    if value is None:
        return ""
    if isinstance(value, date):
        return f"{value:%Y%m%d}"
    start = f"{value.start:%Y%m%d}" if value.start else ""
    end = f"{value.end:%Y%m%d}" if value.end else ""
    if start and start == end:
        return start
    return f"{start}-{end}" if start or end else ""


def time_key(value: TimeRange | None) -> str:
    """A range of times as a key (PS3.4 C.2.2.2.5).

    The end of a range is written to its last fraction, as servers that compare texts lose
    "115959.5" otherwise.
    """
    if value is None:
        return ""
    start = None if value.start == time.min else value.start
    end = value.end
    if end is not None and not end.microsecond:
        end = end.replace(microsecond=999999)
    if end == time.max:
        end = None
    if start is None and end is None:
        # The whole day is no restriction: a server would leave out what has no time.
        return ""
    return f"{_time_text(start)}-{_time_text(end)}"


def _time_text(value: time | None) -> str:
    if value is None:
        return ""
    return f"{value:%H%M%S}" + (f".{value.microsecond:06d}" if value.microsecond else "")


def _uids(value: str | Sequence[str]) -> str:
    return value.strip() if isinstance(value, str) else "\\".join(value)


def uid_list(value: str | Sequence[str]) -> tuple[str, ...]:
    """A UID or a list of UIDs as a tuple without empty ones."""
    values = value.split("\\") if isinstance(value, str) else value
    return tuple(uid for uid in values if uid)

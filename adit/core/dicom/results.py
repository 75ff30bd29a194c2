"""What a query found, and the stream in which results come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Generic, Literal, TypeVar

from .attributes import Attributes
from .remarks import Remarks
from .uids import LONGEST_UID

T = TypeVar("T")
TruncatedBy = Literal["", "server", "limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientResult:
    """A patient. What the peer left out is None."""

    patient_id: str | None = None
    patient_name: str | None = None
    patient_birth_date: date | None = None
    patient_sex: str | None = None
    number_of_studies: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """A study. What the peer left out is None (or an empty tuple)."""

    study_instance_uid: str
    patient_id: str | None = None
    patient_name: str | None = None
    patient_birth_date: date | None = None
    patient_sex: str | None = None
    accession_number: str | None = None
    study_id: str | None = None
    study_date: date | None = None
    study_time: time | None = None
    study_description: str | None = None
    modalities_in_study: tuple[str, ...] = ()
    sop_classes_in_study: tuple[str, ...] = ()
    number_of_series: int | None = None
    number_of_instances: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesResult:
    """A series. What the peer left out is None."""

    series_instance_uid: str
    study_instance_uid: str | None = None
    patient_id: str | None = None
    series_number: int | None = None
    modality: str | None = None
    series_description: str | None = None
    body_part: str | None = None
    number_of_instances: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceResult:
    """An instance. What the peer left out is None (or an empty tuple)."""

    sop_instance_uid: str
    sop_class_uid: str | None = None
    patient_id: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    instance_number: int | None = None
    number_of_frames: int | None = None
    transfer_syntax_uids: tuple[str, ...] = ()


def patient_from(answer: Attributes) -> PatientResult | None:
    """The patient of an answer, who may be nameless; None where it cannot be read."""
    if not answer or not (answer.whole or answer.text("PatientID")):
        return None
    return PatientResult(
        patient_id=answer.text("PatientID"),
        patient_name=answer.text("PatientName"),
        patient_birth_date=answer.date("PatientBirthDate"),
        patient_sex=answer.text("PatientSex"),
        number_of_studies=answer.count("NumberOfPatientRelatedStudies"),
    )


def study_from(answer: Attributes) -> StudyResult | None:
    """The study of an answer, or None where it names none, or by what is too long for a UID."""
    uid = answer.uid("StudyInstanceUID")
    if not uid or len(uid) > LONGEST_UID:
        return None
    return StudyResult(
        study_instance_uid=uid,
        patient_id=answer.text("PatientID"),
        patient_name=answer.text("PatientName"),
        patient_birth_date=answer.date("PatientBirthDate"),
        patient_sex=answer.text("PatientSex"),
        accession_number=answer.text("AccessionNumber"),
        study_id=answer.text("StudyID"),
        study_date=answer.date("StudyDate"),
        study_time=answer.time("StudyTime"),
        study_description=answer.text("StudyDescription"),
        modalities_in_study=tuple(sorted(set(answer.texts("ModalitiesInStudy")))),
        sop_classes_in_study=tuple(sorted(set(answer.texts("SOPClassesInStudy")))),
        number_of_series=answer.count("NumberOfStudyRelatedSeries"),
        number_of_instances=answer.count("NumberOfStudyRelatedInstances"),
    )


def series_from(answer: Attributes) -> SeriesResult | None:
    """The series of an answer, or None where it names none, or by what is too long for a UID."""
    uid = answer.uid("SeriesInstanceUID")
    if not uid or len(uid) > LONGEST_UID:
        return None
    return SeriesResult(
        series_instance_uid=uid,
        study_instance_uid=answer.uid("StudyInstanceUID") or None,
        patient_id=answer.text("PatientID"),
        series_number=answer.integer("SeriesNumber"),
        modality=answer.text("Modality"),
        series_description=answer.text("SeriesDescription"),
        body_part=answer.text("BodyPartExamined"),
        number_of_instances=answer.count("NumberOfSeriesRelatedInstances"),
    )


def instance_from(answer: Attributes) -> InstanceResult | None:
    """The instance of an answer, or None where it names none."""
    uid = answer.uid("SOPInstanceUID")
    if not uid:
        return None
    return InstanceResult(
        sop_instance_uid=uid,
        sop_class_uid=answer.uid("SOPClassUID") or None,
        patient_id=answer.text("PatientID"),
        study_instance_uid=answer.uid("StudyInstanceUID") or None,
        series_instance_uid=answer.uid("SeriesInstanceUID") or None,
        instance_number=answer.integer("InstanceNumber"),
        number_of_frames=answer.count("NumberOfFrames"),
        transfer_syntax_uids=answer.texts("AvailableTransferSyntaxUID"),
    )


class ResultStream(Iterator[T], Generic[T]):
    """Results as they come; the request to the peer is sent when the first one is asked for.

    Attributes:
        truncated_by: Who cut the answer, known when the stream has ended: "server" (the PACS, or
            the number of results set for it), "limit" (the limit that the caller gave, or ours for
            a server that does not end), or "".
        count: How many results the stream gave so far.
        remarks: What else is to be said of the answers; all of it is known when the stream has
            ended.
        on_end: Called when the stream has given its last result.
    """

    def __init__(
        self,
        answers: Iterator[T],
        *,
        limit: int | None,
        limit_means: Literal["server", "limit"] = "limit",
        remarks: Remarks,
    ) -> None:
        self._answers = answers
        self._limit = limit
        self._limit_means: Literal["server", "limit"] = limit_means
        self.remarks = remarks
        self._ended = False
        self.count = 0
        self.on_end: Callable[[], None] = lambda: None
        self.truncated_by: TruncatedBy = ""

    @property
    def truncated(self) -> bool:
        """Whether there are more results than the stream gave."""
        return self.truncated_by != ""

    def all_readable(self) -> list[T]:
        """The rest of the results.

        Raises:
            DicomError: If the server fails, an answer could not be read, or the list broke off.
        """
        results = list(self)
        if self.remarks.broken_off is not None:
            raise self.remarks.broken_off
        if self.remarks.unreadable:
            raise self.remarks.unreadable_error()
        return results

    def __iter__(self) -> ResultStream[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        try:
            result = next(self._answers)
        except StopIteration:
            self._ended = True
            if self.remarks.left_after:
                self.truncated_by = "limit"
            elif self.remarks.held_back:
                self.truncated_by = "server"
            self.on_end()
            raise
        except BaseException:
            self._ended = True
            raise
        if self._limit is not None and self.count >= self._limit:
            # Only this one more result tells that the answer is cut.
            self.truncated_by = self._limit_means
            self.close()
            raise StopIteration
        self.count += 1
        return result

    def __enter__(self) -> ResultStream[T]:
        return self

    def __exit__(self, *_args: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends the query; the peer is told where the protocol allows it."""
        self._ended = True
        close = getattr(self._answers, "close", None)
        if close is not None:
            with suppress(StopIteration):
                close()

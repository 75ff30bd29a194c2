"""Queries over either protocol, with what weak servers lack added on our side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal, Protocol, TypeVar

from .attributes import Attributes
from .config import ServerConfig
from .errors import DicomError, repeats_itself
from .matching import instance_matches, patient_matches, series_matches, study_matches
from .query import Level, Query
from .results import (
    InstanceResult,
    PatientResult,
    ResultStream,
    SeriesResult,
    StudyResult,
    instance_from,
    patient_from,
    series_from,
    study_from,
)

T = TypeVar("T")
# So many answers more than there are results to repeat, and the server is left.
_MOST_REPETITIONS = 1000


class Finder(Protocol):
    """What DimseConnector and DicomWebConnector have in common."""

    def find(
        self, query: Query, level: Level, on_warning: Callable[[], None] = ...
    ) -> Iterator[Attributes]: ...


class Searcher:
    """Runs queries with one finder and makes results of the answers.

    Filled-in values (modalities and counts of a study) are kept, so that each study is asked for
    its series once.
    """

    def __init__(self, server: ServerConfig, finder: Finder, *, patient_level: bool) -> None:
        """Creates a searcher.

        Args:
            server: Its limits.
            finder: Does the asking.
            patient_level: Whether the finder can ask at PATIENT level; else it is emulated.
        """
        self._server = server
        self._finder = finder
        self._patient_level = patient_level
        self._filled: dict[str, tuple[SeriesResult, ...]] = {}

    def patients(self, query: Query, limit: int | None) -> ResultStream[PatientResult]:
        """Patients, each once."""
        cut = _Cut()
        level: Level = "PATIENT" if self._patient_level else "STUDY"
        answers = self._ask(query, level, cut)
        if level == "STUDY":
            # A patient comes once for each study, which is no repetition.
            answers = self._once(answers, lambda answer: answer.uid("StudyInstanceUID") or answer)
            patients = _read(answers, patient_from)
        else:
            patients = self._once(_read(answers, patient_from), lambda patient: patient)
        matching = (patient for patient in patients if patient_matches(query, patient))
        return self._stream(_distinct(matching), limit, cut)

    def studies(self, query: Query, limit: int | None) -> ResultStream[StudyResult]:
        """Studies; missing modalities and counts are filled in from their series."""
        cut = _Cut()
        answers = self._once(
            _read(self._ask(query, "STUDY", cut), study_from),
            lambda study: (study.study_instance_uid, study.patient_id),
        )
        if self._server.max_associations < 2:
            # The series are asked for on the same association, after the studies.
            answers = self._one_after_the_other(query, answers, limit)
        matching = self._matching_studies(query, answers)
        return self._stream(matching, limit, cut)

    def series(self, query: Query, limit: int | None) -> ResultStream[SeriesResult]:
        """Series of a study: never cut by us, as plans need them all."""
        cut = _Cut()
        answers = self._once(
            _read(self._ask(query, "SERIES", cut), series_from),
            lambda one: (one.series_instance_uid, one.study_instance_uid, one.patient_id),
        )
        matching = (series for series in answers if series_matches(query, series))
        return ResultStream(matching, limit=limit, cut_by_peer=cut)

    def instances(self, query: Query, limit: int | None) -> ResultStream[InstanceResult]:
        """Instances of a series: never cut by us."""
        cut = _Cut()
        answers = self._once(
            _read(self._ask(query, "IMAGE", cut), instance_from),
            lambda one: (one.sop_instance_uid, one.series_instance_uid, one.patient_id),
        )
        matching = (instance for instance in answers if instance_matches(query, instance))
        return ResultStream(matching, limit=limit, cut_by_peer=cut)

    def _ask(self, query: Query, level: Level, cut: _Cut) -> Iterator[Attributes]:
        """The answers; exactly as many as the server gives at most may be a part of them.

        A server that gives more has no such limit at this level, and held nothing back.
        """
        answers = self._finder.find(query, level, cut.note)
        count = 0
        try:
            for answer in answers:
                count += 1
                yield answer
            if count == self._server.max_search_results:
                cut.note()
        finally:
            _close(answers)

    def _once(self, results: Iterator[T], key: Callable[[T], object]) -> Iterator[T]:
        """Each result once: some servers repeat themselves, some without end."""
        seen: set[object] = set()
        repeated = 0
        try:
            for result in results:
                if (name := key(result)) not in seen:
                    seen.add(name)
                    yield result
                    continue
                repeated += 1
                if repeated > _MOST_REPETITIONS + 4 * len(seen):
                    raise repeats_itself(self._server.name)
        finally:
            _close(results)

    def _matching_studies(
        self, query: Query, studies: Iterator[StudyResult]
    ) -> Iterator[StudyResult]:
        try:
            for study in studies:
                # What can be told without its series is told first: that saves queries.
                if study_matches(query, study):
                    study = self._complete(study)
                    if study_matches(query, study):
                        yield study
        finally:
            _close(studies)

    def _one_after_the_other(
        self, query: Query, studies: Iterator[StudyResult], limit: int | None
    ) -> Iterator[StudyResult]:
        """The studies that may match; the first that lacks something waits until all were read.

        Only the modalities can still keep a study out when its series are known. Where they are not
        asked for, no more is read than the limit lets through.
        """
        waiting: list[StudyResult] = []
        enough = None if query.modalities else 1 + self._most(limit)
        given = 0
        try:
            for study in studies:
                if not study_matches(query, study):
                    continue
                given += 1
                if waiting or not _is_complete(study):
                    waiting.append(study)
                else:
                    yield study
                if given == enough:
                    break
        finally:
            _close(studies)
        yield from waiting

    def _complete(self, study: StudyResult) -> StudyResult:
        if _is_complete(study):
            return study
        series = self._series_of(study)
        if not series:
            return study
        modalities = study.modalities_in_study or tuple(
            sorted({one.modality for one in series if one.modality})
        )
        counts = [one.number_of_instances for one in series]
        known = [count for count in counts if count is not None]
        total = sum(known) if len(known) == len(counts) else None
        return replace(
            study,
            modalities_in_study=modalities,
            number_of_series=(
                len(series) if study.number_of_series is None else study.number_of_series
            ),
            number_of_instances=(
                total if study.number_of_instances is None else study.number_of_instances
            ),
        )

    def _series_of(self, study: StudyResult) -> tuple[SeriesResult, ...]:
        uid = study.study_instance_uid
        if uid not in self._filled:
            query = Query(patient_id=study.patient_id or "", study_instance_uid=uid)
            try:
                series = self.series(query, None)
                listed = tuple(series)
                # A part says neither how many there are nor which modality is missing.
                self._filled[uid] = () if series.truncated else listed
            except DicomError:
                # The study was found; that its series cannot be listed must not hide it.
                self._filled[uid] = ()
        return self._filled[uid]

    def _stream(self, results: Iterator[T], limit: int | None, cut: _Cut) -> ResultStream[T]:
        most = self._most(limit)
        limit_means: Literal["server", "limit"] = "limit" if most == limit else "server"
        return ResultStream(results, limit=most, limit_means=limit_means, cut_by_peer=cut)

    def _most(self, limit: int | None) -> int:
        most = self._server.max_search_results
        return most if limit is None else min(limit, most)


class _Cut:
    """Remembers that the peer held results back."""

    def __init__(self) -> None:
        self._noted = False

    def note(self) -> None:
        self._noted = True

    def __call__(self) -> bool:
        return self._noted


def _read(answers: Iterator[Attributes], make: Callable[[Attributes], T | None]) -> Iterator[T]:
    try:
        for answer in answers:
            result = make(answer)
            if result is not None:
                yield result
    finally:
        _close(answers)


def _close(results: Iterator[object]) -> None:
    """Ends a query early, where the iterator is one."""
    close = getattr(results, "close", None)
    if close is not None:
        close()


def _is_complete(study: StudyResult) -> bool:
    """Whether its series have nothing to add."""
    return bool(
        study.modalities_in_study
        and study.number_of_series is not None
        and study.number_of_instances is not None
    )


def _distinct(patients: Iterator[PatientResult]) -> Iterator[PatientResult]:
    seen: set[object] = set()
    for patient in patients:
        # The same id with another spelling of the name is the same patient.
        key = patient.patient_id or (None, patient.patient_name)
        if key not in seen:
            seen.add(key)
            yield patient

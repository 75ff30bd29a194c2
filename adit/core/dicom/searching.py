"""Queries over either protocol, with what weak servers lack added on our side."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeVar

from .attributes import Attributes
from .broken_lists import BrokenOff
from .config import QueryProtocol, ServerConfig
from .errors import DicomError, PermanentDicomError, repeats_itself
from .matching import (
    instance_matches,
    left_out,
    patient_matches,
    series_matches,
    study_matches,
    untold_keys,
)
from .persons import distinct, telling_apart
from .query import Level, Query
from .remarks import Remarks, without_end
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
from .uid_batches import LONGEST, halved, in_batches, may_answer

T = TypeVar("T")
# So many answers more than there are results to repeat, and the server is left.
_MOST_REPETITIONS = 1000
# More answers than there can be to what is asked, whether they match or not.
_MOST_ANSWERS: dict[Level, int] = {
    "PATIENT": 100_000,
    "STUDY": 100_000,
    "SERIES": 20_000,
    "IMAGE": 200_000,
}
# A server may take so many times the network time-out for all answers, and this for each.
_PATIENCE = 5
_SECONDS_AN_ANSWER = 0.1
# Too long for the server is the address, or the head of the request as a whole.
_TOO_LONG = frozenset({"HTTP 413", "HTTP 414", "HTTP 431"})


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

    def __init__(
        self,
        server: ServerConfig,
        finder: Finder,
        *,
        patient_level: bool,
        network_timeout: float = 120,
        longest_uid_list: int = LONGEST[QueryProtocol.C_FIND],
    ) -> None:
        """Creates a searcher.

        Args:
            server: Its limits.
            finder: Does the asking.
            patient_level: Whether the finder can ask at PATIENT level; else it is emulated.
            network_timeout: Seconds that the server may take for one answer.
            longest_uid_list: So many characters of UIDs go with one request.
        """
        self._longest_uid_list = longest_uid_list
        self._longest = _PATIENCE * network_timeout
        self._server = server
        self._finder = finder
        self._patient_level = patient_level
        self._filled: dict[str, tuple[SeriesResult, ...]] = {}

    def patients(self, query: Query, limit: int | None) -> ResultStream[PatientResult]:
        """Patients, each once."""
        remarks = Remarks(self._server.name)
        level: Level = "PATIENT" if self._patient_level else "STUDY"
        answers = self._ask(query, level, remarks)
        if level == "STUDY":
            # A patient comes once for each study, which is no repetition.
            answers = self._once(answers, lambda answer: answer.uid("StudyInstanceUID") or answer)
            patients = self._read(answers, patient_from, remarks)
        else:
            patients = self._once(
                self._read(answers, patient_from, remarks), lambda patient: patient
            )
        matching = _fitting(query, patients, patient_matches, remarks)
        patients = distinct(matching, remarks)
        return self._stream(_noting(query, patients, remarks), limit, remarks)

    def studies(self, query: Query, limit: int | None) -> ResultStream[StudyResult]:
        """Studies; missing modalities and counts are filled in from their series."""
        remarks = Remarks(self._server.name)
        answers = self._once(
            self._read(self._ask(query, "STUDY", remarks), study_from, remarks),
            lambda study: (study.study_instance_uid, study.patient_id),
        )
        answers = _fitting(query, answers, study_matches, remarks)
        if self._server.max_associations < 2:
            # The series are asked for on the same association, after the studies.
            answers = self._one_after_the_other(query, answers, limit)
        matching = telling_apart(self._matching_studies(query, answers), remarks)
        return self._stream(_noting(query, matching, remarks), limit, remarks)

    def series(self, query: Query, limit: int | None) -> ResultStream[SeriesResult]:
        """Series of a study: never cut by us, as plans need them all.

        An answer that cannot be read, and a server that does not end, are errors for that reason.
        """
        remarks = Remarks(self._server.name)
        answers = self._once(
            self._read(self._ask(query, "SERIES", remarks), series_from, remarks, needed=True),
            lambda one: (one.series_instance_uid, one.study_instance_uid, one.patient_id),
        )
        matching = _fitting(query, answers, series_matches, remarks)
        return ResultStream(matching, limit=limit, remarks=remarks)

    def instances(self, query: Query, limit: int | None) -> ResultStream[InstanceResult]:
        """Instances of a series: never cut by us, with the same errors as series."""
        remarks = Remarks(self._server.name)
        answers = self._once(
            self._read(self._ask(query, "IMAGE", remarks), instance_from, remarks, needed=True),
            lambda one: (one.sop_instance_uid, one.series_instance_uid, one.patient_id),
        )
        matching = _fitting(query, answers, instance_matches, remarks)
        return ResultStream(matching, limit=limit, remarks=remarks)

    def _ask(self, query: Query, level: Level, remarks: Remarks) -> Iterator[Attributes]:
        """The answers, to as many requests as the lists of UIDs need."""
        parts = deque(in_batches(query, self._longest_uid_list))
        whole = len(parts) == 1
        while parts and not remarks.left_after:
            part = parts.popleft()
            answers = self._ask_once(part, level, remarks)
            try:
                for answer in answers:
                    if whole or may_answer(part, answer):
                        yield answer
            except PermanentDicomError as error:
                smaller = halved(part) if error.code in _TOO_LONG else []
                if not smaller:
                    raise
                parts.extendleft(reversed(smaller))
                whole = False
            finally:
                _close(answers)

    def _ask_once(self, query: Query, level: Level, remarks: Remarks) -> Iterator[Attributes]:
        """The answers to one request; as many as the server gives at most may be a part of them.

        A server that gives more has no such limit at this level, and held nothing back. One that
        does not end is left: what came is shown to people, and is no use to plans.
        """
        answers = self._finder.find(query, level, remarks.note_held_back)
        count = 0
        waited = 0.0
        try:
            while True:
                started = time.monotonic()
                answer = next(answers, None)
                if answer is None:
                    break
                waited += time.monotonic() - started
                too_slow = waited > self._longest + count * _SECONDS_AN_ANSWER
                if too_slow or count >= _MOST_ANSWERS[level]:
                    if level in ("SERIES", "IMAGE"):
                        raise without_end(self._server.name, count)
                    remarks.left_after = count
                    return
                count += 1
                yield answer
            if count == self._server.max_search_results:
                remarks.note_held_back()
        except BrokenOff as error:
            remarks.note_broken_off(error)
        finally:
            _close(answers)

    def _read(
        self,
        answers: Iterator[Attributes],
        make: Callable[[Attributes], T | None],
        remarks: Remarks,
        *,
        needed: bool = False,
    ) -> Iterator[T]:
        """What the answers say; `needed`: one that cannot be read is an error, at the end."""
        try:
            for answer in answers:
                result = make(answer)
                if result is None:
                    remarks.unreadable += 1
                    continue
                remarks.read += 1
                yield result
        finally:
            _close(answers)
        if remarks.unreadable and (needed or not remarks.read):
            raise remarks.unreadable_error()

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
                # What could be told without its series was told first: that saves queries.
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

    def _stream(self, results: Iterator[T], limit: int | None, remarks: Remarks) -> ResultStream[T]:
        most = self._most(limit)
        limit_means: Literal["server", "limit"] = "limit" if most == limit else "server"
        return ResultStream(results, limit=most, limit_means=limit_means, remarks=remarks)

    def _most(self, limit: int | None) -> int:
        most = self._server.max_search_results
        return most if limit is None else min(limit, most)


def _fitting(
    query: Query, results: Iterator[T], matches: Callable[[Query, T], bool], remarks: Remarks
) -> Iterator[T]:
    """The results that match; notes of which nobody can tell, as the server left out a key."""
    try:
        for result in results:
            if matches(query, result):
                yield result
            elif words := left_out(query, result, matches):
                remarks.dropped += 1
                remarks.dropped_for |= dict.fromkeys(words)
    finally:
        _close(results)


def _noting(
    query: Query, results: Iterator[PatientResult] | Iterator[StudyResult], remarks: Remarks
) -> Iterator[Any]:
    """The same results; notes what the server left open about them."""
    try:
        for result in results:
            remarks.untold |= dict.fromkeys(untold_keys(query, result))
            yield result
    finally:
        _close(results)


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

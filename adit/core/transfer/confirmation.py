"""Asking a server which instances it holds, in whichever way it answers."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from adit.core.dicom import (
    CancelToken,
    DicomError,
    DicomInstance,
    DicomOperator,
    PermanentDicomError,
    Query,
)
from adit.core.dicom.broken_lists import BrokenOff
from adit.core.dicom.remarks import UNREADABLE
from adit.core.transfer.patients import patients_of

# Pauses between two questions to a server that indexes late, in seconds; the last goes on.
_PAUSES = (0.1, 0.3, 1.0, 2.0, 5.0)

# What a server says of a study serves the questions about its series for so many seconds; that it
# does not have the study may be over soon.
_KEPT, _KEPT_WITHOUT = 5.0, 0.5

Found = dict[str, set[str]]


@dataclass(frozen=True)
class _Filed:
    """Under which of the wanted patients a study is, and whether it is under others, too."""

    own: frozenset[str]
    shared: bool


_NOWHERE = _Filed(frozenset(), False)


class Partly(Exception):
    """What a server shows to hold, although something was wrong with its answer.

    Attributes:
        found: the SOP Instance UIDs.
        problem: what was wrong.
    """

    def __init__(self, found: set[str], problem: DicomError) -> None:
        super().__init__(str(problem))
        self.found = found
        self.problem = problem


class Way(Protocol):
    """One way to have a server show what it holds."""

    @property
    def words(self) -> str:
        """`by C-FIND`, for the receipt."""
        ...

    def held(self, study_uid: str, series_uid: str, wanted: Collection[str]) -> set[str]:
        """The SOP Instance UIDs of a series that it has (others may be among them).

        Raises:
            Partly: it has at least some; part of what it said could not be read.
            TransientDicomError: it cannot say now.
            PermanentDicomError: it cannot say in this way.
        """
        ...

    def accepted(self, instance: DicomInstance) -> None:
        """Called for each instance that the server took with success."""
        ...

    def rest(self) -> None:
        """Release connections until the next question."""
        ...


class QueryWay:
    """IMAGE level of C-FIND (PS3.4 C.4.1) or QIDO-RS (PS3.18 10.6).

    Args:
        operator: asks by the protocol that it prefers.
        patients: where any are given, only what is filed under one of these patient IDs counts as
            there; equal UIDs under another patient are no proof. Where the server does not say
            whose a study is, or has it under several patients and does not say of which one an
            instance is, nothing is proven. May grow meanwhile.
    """

    def __init__(self, operator: DicomOperator, patients: str | Collection[str] = ()) -> None:
        self._operator = operator
        self._patients = patients if not isinstance(patients, str) else {patients} - {""}
        self._filed: dict[str, tuple[_Filed, float]] = {}

    @property
    def words(self) -> str:
        return f"found at {self._operator.server.name} by {self._operator.query_protocols()[0]}"

    def held(self, study_uid: str, series_uid: str, wanted: Collection[str]) -> set[str]:
        query = Query(study_instance_uid=study_uid, series_instance_uid=series_uid, only_uids=True)
        found: set[str] = set()
        try:
            for uid in self._listed(query):
                found.add(uid)
        except BrokenOff as error:
            raise Partly(found, error) from error
        except PermanentDicomError as error:
            if error.code != UNREADABLE:
                raise
            raise Partly(found, error) from error
        return found

    def _listed(self, query: Query) -> Iterator[str]:
        """The SOP Instance UIDs in a series of the patients."""
        study_uid = str(query.study_instance_uid)
        if not self._patients:
            yield from self._uids(query)
            return
        # Not every server looks at the patient ID below study level.
        filed, until = self._filed.get(study_uid, (_NOWHERE, 0.0))
        if time.monotonic() >= until:
            filed = self._file_of(study_uid)
            kept = _KEPT if filed.own else _KEPT_WITHOUT
            self._filed[study_uid] = filed, time.monotonic() + kept
        for patient in sorted(filed.own):
            of_patient = replace(query, patient_id=patient, patient_at_every_level=filed.shared)
            yield from self._uids(of_patient, patient if filed.shared else None)

    def _uids(self, query: Query, patient: str | None = None) -> Iterator[str]:
        """The SOP Instance UIDs that a query brings; where it is given, of one patient only."""
        answers = self._operator.find_instances(query)
        for answer in answers:
            if patient is None or (answer.patient_id or "") == patient:
                yield answer.sop_instance_uid
        if answers.remarks.broken_off is not None:
            raise answers.remarks.broken_off

    def _file_of(self, study_uid: str) -> _Filed:
        """Under which patients the study is filed; new UIDs do not depend on the pseudonym, and
        equal UIDs may have come from elsewhere."""
        patients = patients_of(self._operator, study_uid)
        if not patients:
            for patient in filter(None, self._patients):
                query = Query(patient_id=patient, study_instance_uid=study_uid)
                patients |= {one.patient_id or "" for one in self._operator.find_studies(query)}
        shared = len(patients) > 1
        if shared:
            return _Filed(frozenset(patients & set(self._patients)), shared)
        # Some servers fold the case of what they file.
        names = {name.casefold() for name in self._patients}
        return _Filed(frozenset(one for one in patients if one.casefold() in names), shared)

    def accepted(self, instance: DicomInstance) -> None:
        """What it took may have made the study."""
        self._filed.clear()

    def rest(self) -> None:
        self._operator.close()


class Inquiry:
    """Asks in each way, the best first, until all is shown or patience ends.

    Args:
        ways: those that turn out not to be offered are left out later.
        patience: seconds without a newly found instance after which it is believed to be missing.
        last: the way to ask where none of the others is offered.

    Attributes:
        problem: what was wrong with the last answers, in words; "" where all was well.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        cancel: CancelToken,
        patience: float,
        last: Way | None = None,
    ) -> None:
        self._ways = list(ways)
        self._last = last
        if not self._ways:
            self._ask_last()
        self._cancel = cancel
        self._patience = patience
        self._methods: dict[str, None] = {}
        self.problem = ""

    @property
    def can_ask(self) -> bool:
        """Whether the server offers a way, as far as is known by now."""
        return bool(self._ways)

    def accepted(self, instance: DicomInstance) -> None:
        """Called for each instance that the server took with success."""
        for way in (*self._ways, self._last):
            if way is not None:
                way.accepted(instance)

    def rest(self) -> None:
        """Release what is kept open for the next question: the server counts associations."""
        for way in self._ways:
            way.rest()

    def find(
        self, study_uid: str, expected: Mapping[str, Collection[str]], patience: float | None
    ) -> tuple[Found, str]:
        """Which of `expected` (SOP Instance UIDs by series) the server shows to hold, and how.

        Args:
            patience: instead of the usual one; 0: it is asked once.

        Raises:
            Canceled: the token was set.
        """
        found: Found = {series: set() for series in expected}
        left = {series: set(uids) for series, uids in expected.items() if uids}
        patience = self._patience if patience is None else patience
        deadline = time.monotonic() + patience
        for attempt in range(1_000_000):
            self.problem = ""
            for series in list(left):
                new = self._ask(study_uid, series, left[series])
                if new:
                    deadline = time.monotonic() + patience
                found[series] |= new
                left[series] -= new
                if not left[series]:
                    del left[series]
            if not left or not self._ways or time.monotonic() >= deadline:
                break
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
            self._cancel.wait(max(0.0, min(pause, deadline - time.monotonic())))
        return found, " and ".join(self._methods)

    def shows_others(self, study_uid: str, series_uid: str, known: Collection[str]) -> bool:
        """Whether the server shows more of a series than `known`; True where it cannot say."""
        for way in self._ways:
            if isinstance(way, QueryWay):
                try:
                    return bool(way.held(study_uid, series_uid, known) - set(known))
                except (Partly, DicomError):
                    return True
        return True

    def _ask(self, study_uid: str, series_uid: str, wanted: set[str]) -> set[str]:
        """Ask in each way for what the ways before it did not show."""
        found: set[str] = set()
        for way in list(self._ways):
            self._cancel.check()
            try:
                new = way.held(study_uid, series_uid, wanted - found) & (wanted - found)
            except Partly as part:
                new = part.found & (wanted - found)
                self.problem = str(part.problem)
            except DicomError as error:
                self.problem = str(error)
                # The next way may ask the same server, which counts this one's associations.
                way.rest()
                if isinstance(error, PermanentDicomError) and _lacks_level(error):
                    self._ways.remove(way)
                    if not self._ways:
                        self._ask_last()
                continue
            if new:
                self._methods[way.words] = None
                found |= new
            if found >= wanted:
                break
            way.rest()
        return found

    def _ask_last(self) -> None:
        if self._last is not None:
            self._ways.append(self._last)
            self._last = None


def _lacks_level(error: DicomError) -> bool:
    """Whether a server says that it does not offer such queries at all (PS3.4 C.4.1.1.4)."""
    return error.code in ("A900", "0122", "0118", "context rejected", "unsupported", "HTTP 501")

"""Asking a server which instances it holds, in whichever way it answers."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from adit.core.dicom import (
    CancelToken,
    DicomError,
    DicomInstance,
    DicomOperator,
    PermanentDicomError,
    Query,
)
from adit.core.transfer.patients import patients_of

# Pauses between two questions to a server that indexes late, in seconds; the last goes on.
_PAUSES = (0.1, 0.3, 1.0, 2.0, 5.0)

Found = dict[str, set[str]]


class Way(Protocol):
    """One way to have a server show what it holds."""

    @property
    def words(self) -> str:
        """`by C-FIND`, for the receipt."""
        ...

    def held(self, study_uid: str, series_uid: str, wanted: Collection[str]) -> set[str]:
        """The SOP Instance UIDs of a series that it has (others may be among them).

        Raises:
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
        pseudonym: where it is given, only what is filed under this patient ID counts as there;
            equal UIDs under another patient are no proof. Where the server has the study under
            several patients and does not say of which one an instance is, nothing is proven.
    """

    def __init__(self, operator: DicomOperator, pseudonym: str = "") -> None:
        self._operator = operator
        self._pseudonym = pseudonym

    @property
    def words(self) -> str:
        return f"found at {self._operator.server.name} by {self._operator.query_protocols()[0]}"

    def held(self, study_uid: str, series_uid: str, wanted: Collection[str]) -> set[str]:
        query = Query(
            patient_id=self._pseudonym,
            study_instance_uid=study_uid,
            series_instance_uid=series_uid,
            only_uids=True,
        )
        if not self._pseudonym:
            return {answer.sop_instance_uid for answer in self._operator.find_instances(query)}
        # Not every server looks at the patient ID below study level.
        own = Query(patient_id=self._pseudonym, study_instance_uid=study_uid)
        if not list(self._operator.find_studies(own)):
            return set()
        name = self._pseudonym.casefold()
        # New UIDs do not depend on the pseudonym: the study may be there under an earlier one.
        patients = patients_of(self._operator, study_uid)
        if len(patients) <= 1 and {one.casefold() for one in patients} <= {name}:
            return {answer.sop_instance_uid for answer in self._operator.find_instances(query)}
        answers = self._operator.find_instances(replace(query, patient_at_every_level=True))
        return {
            answer.sop_instance_uid for answer in answers if answer.patient_id == self._pseudonym
        }

    def accepted(self, instance: DicomInstance) -> None:
        """A query needs to know nothing of what was sent."""

    def rest(self) -> None:
        self._operator.close()


class Inquiry:
    """Asks in each way, the best first, until all is shown or patience ends.

    Args:
        ways: those that turn out not to be offered are left out later.
        patience: seconds without a newly found instance after which it is believed to be missing.
    """

    def __init__(self, ways: Sequence[Way], cancel: CancelToken, patience: float) -> None:
        self._ways = list(ways)
        self._cancel = cancel
        self._patience = patience
        self._methods: dict[str, None] = {}

    @property
    def can_ask(self) -> bool:
        """Whether the server offers a way, as far as is known by now."""
        return bool(self._ways)

    def accepted(self, instance: DicomInstance) -> None:
        """Called for each instance that the server took with success."""
        for way in self._ways:
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

    def _ask(self, study_uid: str, series_uid: str, wanted: set[str]) -> set[str]:
        """Ask in each way for what the ways before it did not show."""
        found: set[str] = set()
        for way in list(self._ways):
            self._cancel.check()
            try:
                new = way.held(study_uid, series_uid, wanted - found) & (wanted - found)
            except DicomError as error:
                # The next way may ask the same server, which counts this one's associations.
                way.rest()
                if isinstance(error, PermanentDicomError) and _lacks_level(error):
                    self._ways.remove(way)
                continue
            if new:
                self._methods[way.words] = None
                found |= new
            if found >= wanted:
                break
            way.rest()
        return found


def _lacks_level(error: DicomError) -> bool:
    """Whether a server says that it does not offer such queries at all (PS3.4 C.4.1.1.4)."""
    return error.code in ("A900", "0122", "0118", "context rejected", "unsupported", "HTTP 501")

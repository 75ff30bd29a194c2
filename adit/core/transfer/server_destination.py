"""Delivers to a DICOM server by C-STORE or STOW-RS and asks it for what it holds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from adit.core.dicom import CancelToken, DicomOperator, Query, TransientDicomError
from adit.core.transfer.destination import Proof
from adit.core.transfer.items import Delivered, Outgoing
from adit.core.transfer.records import InstanceRecord

# Pauses between two questions to a server that indexes late, in seconds; the last goes on.
_PAUSES = (0.1, 0.3, 1.0, 2.0, 5.0)


class ServerDestination:
    """A DICOM server as destination.

    Args:
        operator: the door to the server.
        patience: seconds without a newly found instance after which it is believed to be missing.
        pseudonym: where it is given, only what is filed under this patient ID counts as there;
            equal UIDs under another patient are no proof.
    """

    def __init__(
        self,
        operator: DicomOperator,
        cancel: CancelToken,
        patience: float,
        pseudonym: str = "",
    ) -> None:
        self._operator = operator
        self._cancel = cancel
        self._patience = patience
        self._pseudonym = pseudonym
        self.name = operator.server.name

    def deliver(self, items: Iterable[Outgoing]) -> Iterator[Delivered]:
        waiting: dict[int, Outgoing] = {}

        def instances() -> Iterator:
            for item in items:
                waiting[id(item.instance)] = item
                yield item.instance

        for outcome in self._operator.store(instances()):
            item = waiting.pop(id(outcome.instance))
            yield Delivered(item, outcome.error, outcome.warning)

    def prove(
        self, study_uid: str, sent: Mapping[str, Sequence[InstanceRecord]], *, wait: bool
    ) -> Proof:
        if not self._operator.query_protocols():
            # It answered C-STORE or STOW-RS with success and offers no way to ask again.
            accepted = frozenset(r.new_uid for records in sent.values() for r in records)
            return Proof(accepted, f"accepted by {self.name}, which offers no query")
        left = {series: {r.new_uid for r in records} for series, records in sent.items()}
        proven: set[str] = set()
        deadline = time.monotonic() + self._patience
        for attempt in range(10_000):
            for series_uid in list(left):
                found = self._held(study_uid, series_uid) & left[series_uid]
                if found:
                    deadline = time.monotonic() + self._patience
                proven |= found
                left[series_uid] -= found
                if not left[series_uid]:
                    del left[series_uid]
            if not left or not wait or time.monotonic() > deadline:
                break
            self._cancel.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            self._cancel.check()
        return Proof(frozenset(proven), f"found at {self.name} by query")

    def _held(self, study_uid: str, series_uid: str) -> set[str]:
        """The SOP Instance UIDs that the server lists for a series."""
        self._cancel.check()
        study = Query(patient_id=self._pseudonym, study_instance_uid=study_uid)
        try:
            # Not every server looks at the patient ID below study level.
            if self._pseudonym and not list(self._operator.find_studies(study)):
                return set()
            answers = list(
                self._operator.find_instances(replace(study, series_instance_uid=series_uid))
            )
        except TransientDicomError:
            return set()
        return {answer.sop_instance_uid for answer in answers if answer.sop_instance_uid}

    def complete(self) -> None:
        """Nothing is left to do: the server has the study."""

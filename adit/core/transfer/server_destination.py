"""Delivers to a DICOM server by C-STORE or STOW-RS and asks it for what it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from adit.core.dicom import DicomOperator, StoreOutcome
from adit.core.dicom.outcomes import DUPLICATE
from adit.core.models.records import HAD_ALREADY, InstanceRecord
from adit.core.transfer.confirmation import Inquiry
from adit.core.transfer.destination import Proof
from adit.core.transfer.items import Delivered, Outgoing


class ServerDestination:
    """A DICOM server as destination.

    Args:
        operator: sends; it keeps nothing open while the server is asked.
        inquiry: asks the server what it holds.
        was_taken: whether it has taken an instance, by its SOP Instance UIDs at the source and
            here, with success before.
    """

    def __init__(
        self,
        operator: DicomOperator,
        inquiry: Inquiry,
        was_taken: Callable[[str, str], bool] = lambda source_uid, new_uid: False,
    ) -> None:
        self._operator = operator
        self._inquiry = inquiry
        self._was_taken = was_taken
        self.name = operator.server.name

    def deliver(self, items: Iterable[Outgoing]) -> Iterator[Delivered]:
        waiting: dict[int, Outgoing] = {}

        def instances() -> Iterator:
            for item in items:
                waiting[id(item.instance)] = item
                yield item.instance

        self._inquiry.rest()
        try:
            # What is on its way when nobody wants more is waited for, before its file goes.
            with contextlib.closing(self._operator.store(instances())) as outcomes:
                for outcome in outcomes:
                    item = waiting.pop(id(outcome.instance))
                    yield self._answer(item, outcome)
        finally:
            for item in waiting.values():
                item.discard()
            self._operator.close()

    def _answer(self, item: Outgoing, outcome: StoreOutcome) -> Delivered:
        """What the outcome means. That it is there already (0111) is no proof by itself: either
        the server shows it, or it counts as not delivered."""
        there = outcome.status == DUPLICATE
        again = there and self._was_taken(item.source_uid, outcome.instance.sop_instance_uid)
        if not (outcome.accepted or again or (there and self._inquiry.can_ask)):
            return Delivered(item, outcome.error, outcome.warning)
        self._inquiry.accepted(outcome.instance)
        return Delivered(item, None, HAD_ALREADY if there and not again else outcome.warning)

    def prove(
        self, study_uid: str, sent: Mapping[str, Sequence[InstanceRecord]], *, wait: bool
    ) -> Proof:
        expected = {series: {r.new_uid for r in records} for series, records in sent.items()}
        found, method = self._inquiry.find(study_uid, expected, None if wait else 0)
        if not self._inquiry.can_ask:
            # It answered C-STORE or STOW-RS with success and offers no way to ask again.
            accepted = frozenset(
                record.new_uid
                for records in sent.values()
                for record in records
                if record.reason != HAD_ALREADY
            )
            return Proof(accepted, f"accepted by {self.name}, which offers no query for instances")
        return Proof(frozenset().union(*found.values()), method, self._inquiry.problem)

    def find(
        self, study_uid: str, expected: Mapping[str, Collection[str]], patience: float | None
    ) -> tuple[dict[str, set[str]], str]:
        """Which of the expected instances (by series) are there, and how that was shown.

        Args:
            patience: seconds to wait for what is not there yet; None: as long as is set, 0: the
                server is asked once.
        """
        return self._inquiry.find(study_uid, expected, patience)

    def holds_others(self, study_uid: str, series_uid: str, known: Collection[str]) -> bool:
        """Whether the server has more of a series than `known`, or may have."""
        return self._inquiry.shows_others(study_uid, series_uid, known)

    @property
    def can_be_asked(self) -> bool:
        """Whether the server tells which instances it holds."""
        return self._inquiry.can_ask

    def complete(self) -> None:
        """Nothing is left to do: the server has the study."""

    def unfinished(self) -> str:
        """The server files what it takes at once."""
        return ""

"""The way of one study: plan, fetch, transform, deliver, confirm, close the ledger.

Fetch, transform and deliver overlap: each runs in a thread of its own behind a bounded queue, so
the first instance reaches the destination before the last has left the source, and memory is
bounded by the queues and not by the study.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adit.core.deid import Pseudonymizer
from adit.core.dicom import (
    DicomError,
    DicomInstance,
    DicomOperator,
    PermanentDicomError,
    RetrieveProtocol,
    TransientDicomError,
    buffered,
)
from adit.core.transfer.destination import Destination, DestinationAway
from adit.core.transfer.items import Delivered, Outgoing
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.plan import Plan, make_plan
from adit.core.transfer.request import TransferRequest
from adit.core.transfer.run import Run
from adit.core.transfer.transform import check_in, pseudonymize

# Between transform and deliver; fetch has a queue of its own.
_QUEUE_ITEMS = 64
_QUEUE_BYTES = 64 * 1024 * 1024

# So many instances in a row that the destination did not take mean that it is away.
_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Ending:
    """How the transfer ended, with the ledger as its proof.

    Attributes:
        error: what stopped it early, or the last reason for a missing instance.
        warnings: what the plan had to say.
        method: how the delivery was proven.
    """

    error: DicomError | None
    warnings: tuple[str, ...]
    method: str


class Pipeline:
    """Moves one study (or some of its series) and proves it."""

    def __init__(
        self,
        request: TransferRequest,
        source: DicomOperator,
        destination: Destination,
        pseudonymizer: Pseudonymizer | None,
        ledger: Ledger,
        run: Run,
    ) -> None:
        self._request = request
        self._source = source
        self._destination = destination
        self._pseudonymizer = pseudonymizer
        self._ledger = ledger
        self._run = run
        self._method = ""

    def transfer(self, plan: Plan) -> Ending:
        """Do what `plan` expects and the ledger does not show as done.

        Raises:
            Canceled: the run was told to stop.
        """
        self._ledger.expect(plan)
        self._confirm(wait=False)
        self._ledger.unconfirmed_are_missing("not found at the destination; sent again")
        error = self._move_missing(plan)
        self._run.progress(now=True, phase="confirming")
        if self._confirm(wait=True):
            self._ledger.unconfirmed_are_missing("sent, but not found at the destination")
        if not self._ledger.totals().missing:
            self._destination.complete()
            error = None
        return Ending(error, tuple(plan.warnings), self._method)

    def _move_missing(self, plan: Plan) -> DicomError | None:
        """Fetch, transform and deliver what is missing, protocol after protocol.

        Returns what kept instances back: of several errors the first that may pass, for it is
        the reason to try again.
        """
        protocols = self._source.retrieve_protocols()
        if not protocols:
            return PermanentDicomError(f"{self._source.server.name} offers no way to retrieve.")
        errors: list[DicomError] = []
        for protocol in protocols:
            if not self._ledger.missing():
                break
            self._run.progress(now=True, phase="transferring", protocol=str(protocol))
            self._run.event(f"Fetching from {self._source.server.name} by {protocol}.")
            try:
                error = self._move(plan, protocol)
            except DestinationAway as err:
                return err.cause
            if error is not None:
                self._run.event(f"{protocol}: {error}", "warning")
                errors.append(error)
        errors.sort(key=lambda error: not isinstance(error, TransientDicomError))
        return errors[0] if errors else None

    def _move(self, plan: Plan, protocol: RetrieveProtocol) -> DicomError | None:
        fetched = self._source.fetch(
            patient_id=plan.patient_id,
            study_instance_uid=self._request.study_instance_uid,
            series=self._ledger.missing(),
            protocol=protocol,
        )
        with (
            contextlib.closing(fetched),
            buffered(
                self._transform(fetched),
                max_items=_QUEUE_ITEMS,
                max_bytes=_QUEUE_BYTES,
                size=lambda item: item.size,
            ) as outgoing,
        ):
            try:
                self._enter(self._destination.deliver(outgoing))
            except DicomError as error:
                return error
        return None

    def _transform(self, fetched: Iterable[DicomInstance]) -> Iterator[Outgoing]:
        arrivals = check_in(fetched, self._ledger, self._run)
        if self._pseudonymizer is None:
            return arrivals
        return pseudonymize(arrivals, self._pseudonymizer, self._ledger, self._run.folder)

    def _enter(self, answers: Iterable[Delivered]) -> None:
        """Enter the destination's answers in the ledger."""
        failures = 0
        for answer in answers:
            self._run.cancel.check()
            item, error = answer.outgoing, answer.error
            if answer.excluded:
                self._ledger.excluded(item.source_uid, answer.excluded)
            elif error is None:
                failures = 0
                self._ledger.sent(
                    item.source_uid,
                    item.series_uid,
                    item.instance.sop_instance_uid,
                    item.sha256,
                    item.size,
                    answer.note,
                )
            else:
                transient = isinstance(error, TransientDicomError)
                self._ledger.failed(item.source_uid, str(error), retry=transient)
                failures = failures + 1 if transient else 0
            item.discard()
            if error is not None and failures >= _FAILURES_IN_A_ROW:
                raise DestinationAway(error)

    def _confirm(self, *, wait: bool) -> bool:
        """Ask the destination for what was sent; False where nothing waits to be shown."""
        sent = self._ledger.sent_unconfirmed()
        if not sent:
            return False
        study_uid = self._request.study_instance_uid
        if self._pseudonymizer is not None:
            study_uid = self._pseudonymizer.map_uid(study_uid)
        proof = self._destination.prove(study_uid, sent, wait=wait)
        self._ledger.confirmed(proof.uids)
        self._method = proof.method
        return True


def plan_transfer(source: DicomOperator, request: TransferRequest, run: Run) -> Plan:
    """Plan, and say in the task's history what is expected."""
    run.progress(now=True, phase="planning")
    plan = make_plan(source, request)
    expected = sum(series.expected for series in plan.series if not series.excluded)
    run.event(f"Expecting {expected} instances in {len(plan.series)} series.")
    for warning in plan.warnings:
        run.event(warning, "warning")
    for series in plan.series:
        if series.excluded:
            run.event(f"Series {series.series_number}: {series.excluded}")
    return plan

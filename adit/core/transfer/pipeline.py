"""The way of one study: plan, fetch, transform, deliver, confirm, close the ledger.

Fetch, transform and deliver overlap: each runs in a thread of its own behind a bounded queue, so
the first instance reaches the destination before the last has left the source, and memory is
bounded by the queues and not by the study.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from adit.core.transfer.destination import Destination, DestinationAway, Proof
from adit.core.transfer.direct import DirectRoute
from adit.core.transfer.items import Delivered, Outgoing
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.patients import Ownership
from adit.core.transfer.plan import SHARED, Plan, find_growth, make_plan
from adit.core.transfer.reconnect import Reconnect, from_another
from adit.core.transfer.request import TransferRequest
from adit.core.transfer.run import Run
from adit.core.transfer.short_lists import ShortLists
from adit.core.transfer.transform import check_in, pseudonymize
from adit.core.transfer.versions import remarks_on_versions
from adit.core.words import counted

# Between transform and deliver; fetch has a queue of its own.
_QUEUE_ITEMS = 64
_QUEUE_BYTES = 32 * 1024 * 1024

# So many instances in a row that the destination did not take mean that it is away.
_FAILURES_IN_A_ROW = 3

# A study that is still being filled is followed so often.
_GROWTH_ROUNDS = 3
STILL_GROWING = "The study is still growing at the source; what came last was left there."


@dataclass(frozen=True)
class Ending:
    """How the transfer ended, with the ledger as its proof.

    Attributes:
        error: what stopped it early, or the last reason for a missing instance.
        warnings: what the plan had to say.
        method: how the delivery was proven.
        unfinished: where what was delivered lies while the study has no place of its own, without
            the name of the patient.
    """

    error: DicomError | None
    warnings: tuple[str, ...]
    method: str
    unfinished: str = ""


@dataclass(frozen=True)
class _Pass:
    """How one try to move what is missing ended: what went wrong on either side."""

    source: DicomError | None = None
    destination: DicomError | None = None

    @property
    def error(self) -> DicomError | None:
        return self.destination or self.source


class Pipeline:
    """Moves one study (or some of its series) and proves it.

    Args:
        direct: the way straight from source to destination, where there is one.
        waits: seconds to wait before trying again within the run, when a peer is away.
        patient_ids: takes in the patient IDs that the delivered headers hold, for a destination
            that is to show whose instances it has.
    """

    def __init__(
        self,
        request: TransferRequest,
        source: DicomOperator,
        destination: Destination,
        pseudonymizer: Pseudonymizer | None,
        ledger: Ledger,
        run: Run,
        *,
        direct: DirectRoute | None = None,
        waits: Sequence[float] = (),
        patient_ids: set[str] | None = None,
    ) -> None:
        assert direct is None or pseudonymizer is None
        self._request = request
        self._source = source
        self._destination = destination
        self._pseudonymizer = pseudonymizer
        self._ledger = ledger
        self._run = run
        self._direct = direct
        self._waits = waits
        self._methods: dict[str, None] = {}
        self._patient_ids = patient_ids
        self._short_lists = ShortLists(ledger, source.server.name, run)
        self._owner = Ownership("", False)

    def transfer(self, plan: Plan) -> Ending:
        """Do what `plan` expects and the ledger does not show as done.

        Raises:
            Canceled: the run was told to stop.
        """
        filed = plan.patient_id or self._request.patient_id
        self._owner = Ownership(filed, plan.shared, self._patient_ids)
        self._ledger.expect(plan)
        self._confirm(wait=False)
        self._ledger.unconfirmed_are_missing("not found at the destination; sent again")
        if self._direct is not None:
            uid = self._request.study_instance_uid
            # Its associations count with those of the direct way.
            self._source.close()
            method = self._direct.transfer(plan, uid, self._ledger, self._run)
            if method:
                self._methods[f"sent directly and {method}"] = None
        error = self._move_missing(plan)
        if error is None or not self._ledger.missing():
            error = self._follow_growth(plan)
        self._run.progress(now=True, phase="confirming")
        if (proof := self._confirm(wait=True)) is not None:
            reason = "sent, but not found at the destination"
            self._ledger.unconfirmed_are_missing(
                f"{reason}: {proof.problem}" if proof.problem else reason
            )
        if not self._ledger.missing():
            # What did not arrive never will; the ledger says why, and not who spoke last.
            error = None
        unfinished = self._complete()
        for remark in self._remarks():
            plan.warnings.append(remark)
            self._run.event(remark, "warning")
        return Ending(error, tuple(plan.warnings), "; ".join(self._methods), unfinished)

    def _remarks(self) -> Iterator[str]:
        """What has to be said of what came."""
        yield from self._owner.remarks()
        yield from remarks_on_versions(self._ledger, self._source.server.name)
        if remark := self._short_lists.remark():
            yield remark

    def _complete(self) -> str:
        """Let the destination close the study once nothing more comes; else say where it lies.

        What is held may come: staff decides. What was refused for good comes only if a user asks
        for it again, and has its place then.
        """
        totals = self._ledger.totals()
        if totals.confirmed and not totals.held and not self._ledger.missing():
            self._destination.complete()
            return ""
        place = self._destination.unfinished() if totals.confirmed else ""
        if place and self._pseudonymizer is None:
            # The folder of the patient has the name of the patient.
            first, *_, last = Path(place).parts
            return f"{first}/…/{last}"
        return place

    def _follow_growth(self, plan: Plan) -> DicomError | None:
        """Move also what was added at the source since the study was listed."""
        for number in range(_GROWTH_ROUNDS + 1):
            try:
                grown = find_growth(self._source, self._request, plan)
            except DicomError as error:
                self._run.event(f"Whether the study has grown is unknown: {error}", "warning")
                return None
            if not grown:
                return None
            if number == _GROWTH_ROUNDS:
                plan.warnings.append(STILL_GROWING)
                return None
            uids = {series.series_instance_uid for series in grown}
            old = [series for series in plan.series if series.series_instance_uid in uids]
            plan.series = [series for series in plan.series if series not in old] + grown
            self._ledger.expect(plan)
            added = sum(s.expected for s in grown) - sum(s.expected for s in old)
            self._run.event(f"The study has grown by {counted(added, 'instance')} at the source.")
            error = self._move_missing(plan)
            if error is not None:
                return error
        return None

    def _move_missing(self, plan: Plan) -> DicomError | None:
        """Fetch, transform and deliver what is missing, protocol after protocol.

        Returns what kept instances back: of several errors the first that may pass, for it is
        the reason to try again.
        """
        if not self._ledger.missing():
            return None
        protocols = self._source.retrieve_protocols()
        if not protocols:
            return PermanentDicomError(f"{self._source.server.name} offers no way to retrieve.")
        errors: list[DicomError] = []
        for protocol in protocols:
            if not self._ledger.missing():
                break
            self._run.event(f"Fetching from {self._source.server.name} by {protocol}.")
            result = self._move_by(plan, protocol)
            if result.destination is not None:
                # Another protocol at the source is no help.
                return result.destination
            if result.source is not None:
                errors.append(result.source)
        self._ledger.others_are_final()
        errors.sort(key=lambda error: not isinstance(error, TransientDicomError))
        return errors[0] if errors else None

    def _move_by(self, plan: Plan, protocol: RetrieveProtocol) -> _Pass:
        """Move what is missing by one protocol, again and again while that helps."""
        reconnect = Reconnect(self._waits)
        while True:
            self._run.progress(now=True, phase="transferring", protocol=str(protocol))
            before = self._ledger.totals()
            result = self._move(plan, protocol)
            if result.error is None:
                return result
            self._run.event(f"{protocol}: {result.error}", "warning")
            if not self._ledger.missing():
                return result
            after = self._ledger.totals()
            progressed = (after.sent, after.held) > (before.sent, before.held)
            wait = reconnect.wait_after(result.error, progressed=progressed)
            if wait is None:
                return result
            self._run.progress(now=True, phase="waiting to try again")
            self._run.cancel.wait(wait)

    def _move(self, plan: Plan, protocol: RetrieveProtocol) -> _Pass:
        asked, listed = self._ledger.missing(), self._ledger.listed()
        fetched = self._source.fetch(
            patient_id=plan.patient_id,
            study_instance_uid=self._request.study_instance_uid,
            series=from_another(asked, self._run.attempt),
            protocol=protocol,
            of_patient_only=plan.shared,
            listed=listed,
            observer=self._ledger,
        )
        # What was entered last ends first: the transformation may be waiting for the fetch.
        with (
            buffered(
                self._transform(fetched),
                max_items=_QUEUE_ITEMS,
                max_bytes=_QUEUE_BYTES,
                size=lambda item: item.size,
            ) as outgoing,
            contextlib.closing(fetched),
        ):
            problems: list[DicomError] = []
            try:
                refused = self._enter(self._destination.deliver(_until_error(outgoing, problems)))
            except DestinationAway as away:
                return _Pass(destination=away.cause)
            except DicomError as error:
                return _Pass(destination=error)
        self._short_lists.tell()
        if refused is not None or problems:
            return _Pass(problems[0] if problems else None, refused)
        self._ledger.fetched(asked, listed)
        if not self._ledger.missing():
            return _Pass()
        name = self._source.server.name
        return _Pass(
            TransientDicomError(f"{name} sent fewer instances than it has.", code="incomplete")
        )

    def _transform(self, fetched: Iterable[DicomInstance]) -> Iterator[Outgoing]:
        arrivals = check_in(fetched, self._ledger, self._run, self._owner)
        if self._pseudonymizer is None:
            return arrivals
        return pseudonymize(arrivals, self._pseudonymizer, self._ledger, self._run.folder)

    def _enter(self, answers: Iterable[Delivered]) -> DicomError | None:
        """Enter the destination's answers in the ledger.

        Returns why it did not take some of the instances for the moment, or, after several in a
        row, any more.
        """
        failures = 0
        refused: DicomError | None = None
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
                if transient:
                    failures, refused = failures + 1, error
            item.discard()
            if failures >= _FAILURES_IN_A_ROW:
                break
        return refused

    def _confirm(self, *, wait: bool) -> Proof | None:
        """Ask the destination for what was sent; None where nothing waits to be shown."""
        sent = self._ledger.sent_unconfirmed()
        if not sent:
            return None
        study_uid = self._request.study_instance_uid
        if self._pseudonymizer is not None:
            study_uid = self._pseudonymizer.map_uid(study_uid)
        proof = self._destination.prove(study_uid, sent, wait=wait)
        self._ledger.confirmed(proof.uids)
        if proof.method:
            self._methods[proof.method] = None
        return proof


def _until_error(items: Iterable[Outgoing], problems: list[DicomError]) -> Iterator[Outgoing]:
    """The items up to a failure of the source, which is noted: the destination must not lose its
    answers to what is on its way because of it."""
    try:
        yield from items
    except DicomError as error:
        problems.append(error)


def plan_transfer(
    source: DicomOperator, request: TransferRequest, run: Run, waits: Sequence[float] = ()
) -> Plan:
    """Plan, and say in the task's history what is expected.

    Raises:
        DicomError: as `make_plan`; a source that is away is tried again after each of `waits`.
    """
    reconnect = Reconnect(waits)
    while True:
        run.progress(now=True, phase="planning")
        try:
            plan = make_plan(source, request)
            break
        except DicomError as error:
            wait = reconnect.wait_after(error, progressed=False)
            if wait is None:
                raise
            run.event(f"{error}", "warning")
        run.progress(now=True, phase="waiting to try again")
        run.cancel.wait(wait)
    expected = sum(series.expected for series in plan.series if not series.excluded)
    run.event(f"Expecting {counted(expected, 'instance')} in {len(plan.series)} series.")
    if plan.shared:
        run.event(SHARED.format(source.server.name), "warning")
    for remark in plan.remarks:
        run.event(remark)
    for warning in plan.warnings:
        run.event(warning, "warning")
    for series in plan.series:
        if series.excluded:
            run.event(f"{series.in_words.capitalize()}: {series.excluded}")
    return plan

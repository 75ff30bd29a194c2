"""Storing many instances over a few associations that are reopened as needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..config import StoreProtocol
from ..contexts import Context, storage_contexts
from ..errors import DicomError, PermanentDicomError
from ..instance import DicomInstance
from ..outcomes import StoreOutcome, context_rejected, failed, from_status, transcoded, unsendable
from ..transcoding import NotTranscodable, plain_syntaxes, transcode
from .association import Association
from .one_more import OneMore
from .pool import AssociationPool
from .proposals import Pair, Proposals
from .store import receive_status, send_store

_C_STORE = StoreProtocol.C_STORE
# After so many breaks in a row without a success between them the rest is not tried any more.
_BREAKS_BEFORE_GIVING_UP = 5
_REFUSALS_BEFORE_GIVING_UP = 2
# Another association is opened only after so many instances more: a small study needs none.
_INSTANCES_PER_ASSOCIATION = 16


@dataclass(frozen=True, slots=True)
class _Offer:
    """What an association is opened for: pairs that are needed, and others that may be."""

    group: int
    needed: tuple[Pair, ...]
    likely: tuple[Pair, ...]

    def contexts(self) -> tuple[Context, ...]:
        return storage_contexts((*self.needed, *self.likely))


@dataclass(eq=False, slots=True)
class _Lane:
    """One association, with what it was opened for."""

    association: Association
    offer: _Offer

    def serves(self, pair: Pair) -> bool:
        """Whether it need not be asked for again: a likely one may be rejected for its number."""
        return pair in self.offer.needed or pair in self.association.agreement.by_pair


@dataclass(eq=False, slots=True)
class _Job:
    """One instance on its way: on a lane, or with its outcome."""

    instance: DicomInstance
    sent: DicomInstance
    lane: _Lane | None = None
    message_id: int = 0
    repeatable: bool = False
    again: bool = False
    outcome: StoreOutcome | None = None


@dataclass(slots=True)
class _State:
    """What is known of the peer."""

    rejected: dict[Pair, int] = field(default_factory=dict)
    breaks: int = 0
    refusals: int = 0
    gave_up: DicomError | None = None


class Sender:
    """Sends instances; each gets exactly one outcome, in their order.

    An association carries one instance at a time, so that with one association the latency counts
    once for each instance. When answers are slower than instances come, more are opened, as many
    as the server permits, while those at hand go on; one thread serves all: it sends on one while
    the others are answered.

    An association has a context for each pair of SOP class and transfer syntax that is known to be
    needed: of a list for all, of a stream for those that came. A new pair opens a new one; when
    there are several, it has the likely ones, too. Where it breaks, the instance on its way is sent
    again once over a fresh one (the same UID, so nothing is stored twice). What the peer refuses in
    its own syntax is sent in a plain one where that loses nothing, and its outcome says so.
    """

    def __init__(self, pool: AssociationPool, server: str, most: int) -> None:
        self._pool = pool
        self._server = server
        self._most = max(1, most)
        self._lanes: list[_Lane] = []
        self._one_more: tuple[OneMore, _Offer] | None = None
        self._proposals = Proposals()
        self._jobs: deque[_Job] = deque()
        self._count = 0
        self._state = _State()

    def send_all(self, instances: Iterable[DicomInstance]) -> Generator[StoreOutcome, None, None]:
        """Yields the outcomes; a few instances may be on their way before the first is answered."""
        if isinstance(instances, Sequence):
            self._proposals = Proposals(_pairs_of(instances), complete=True)
        try:
            for instance in instances:
                self._count += 1
                job = _Job(instance, instance)
                self._jobs.append(job)
                self._start(job)
                if self._allowed() == 1:
                    self._finish(job)
                yield from self._done()
            while self._jobs:
                self._finish(self._jobs[0])
                yield from self._done()
        finally:
            self._put_back()

    def _done(self) -> Iterator[StoreOutcome]:
        """The outcomes that are known, up to the first that is not."""
        while self._jobs:
            job = self._jobs[0]
            lane = job.lane
            if lane is not None and lane.association.wait(0):
                self._finish(job)
            if job.outcome is None:
                return
            self._jobs.popleft()
            yield job.outcome

    def _allowed(self) -> int:
        return min(self._most, 1 + self._count // _INSTANCES_PER_ASSOCIATION)

    def _start(self, job: _Job) -> None:
        """Sends the instance, or gives it an outcome."""
        state = self._state
        if fault := job.instance.uid_fault:
            job.outcome = unsendable(job.instance, _C_STORE, self._server, fault)
        while job.outcome is None:
            pair = (job.sent.sop_class_uid, job.sent.transfer_syntax_uid)
            if pair in state.rejected:
                self._transcode(job, state.rejected[pair])
                continue
            if state.gave_up is not None:
                job.outcome = failed(job.instance, _C_STORE, state.gave_up)
                return
            try:
                lane = self._lane_for(pair, fresh=job.again)
            except DicomError as error:
                state.refusals += 1
                if state.refusals >= _REFUSALS_BEFORE_GIVING_UP or isinstance(
                    error, PermanentDicomError
                ):
                    state.gave_up = error
                job.outcome = failed(job.instance, _C_STORE, error)
                return
            state.refusals = 0
            context = lane.association.agreement.by_pair.get(pair)
            if context is None:
                continue
            job.repeatable = lane.association.used and not job.again
            try:
                job.message_id = send_store(lane.association, context, job.sent)
            except DicomError as error:
                self._drop(lane)
                self._take_break(job, error)
            except OSError as error:
                self._drop(lane)
                job.outcome = failed(job.instance, _C_STORE, _unreadable(error))
            except BaseException:
                self._drop(lane)
                raise
            else:
                job.lane = lane
                return

    def _finish(self, job: _Job) -> None:
        """Waits for the answer."""
        while job.outcome is None:
            lane = job.lane
            assert lane is not None
            try:
                status = receive_status(lane.association, job.message_id)
            except DicomError as error:
                job.lane = None
                self._drop(lane)
                self._take_break(job, error)
                self._start(job)
            except BaseException:
                job.lane = None
                self._drop(lane)
                raise
            else:
                job.lane = None
                self._state.breaks = 0
                outcome = from_status(job.instance, _C_STORE, self._server, status)
                if job.sent is not job.instance and outcome.accepted:
                    outcome = transcoded(outcome, job.sent.transfer_syntax_uid)
                job.outcome = outcome

    def _take_break(self, job: _Job, error: DicomError) -> None:
        """Lets the instance be sent again, or gives up on it."""
        if job.repeatable and error.code != "timeout":
            job.again = True
            return
        self._state.breaks += 1
        if self._state.breaks >= _BREAKS_BEFORE_GIVING_UP:
            self._state.gave_up = error
        job.outcome = failed(job.instance, _C_STORE, error)

    def _transcode(self, job: _Job, reason: int) -> None:
        """Encodes the instance as the peer may take it; else it is refused."""
        refused = self._state.rejected
        sop_class = job.instance.sop_class_uid
        for syntax in plain_syntaxes(job.instance.transfer_syntax_uid):
            if (sop_class, syntax) in refused:
                continue
            try:
                job.sent = transcode(job.instance, syntax)
                return
            except (NotTranscodable, OSError):
                break
        own = (sop_class, job.instance.transfer_syntax_uid)
        job.outcome = context_rejected(job.instance, self._server, refused.get(own, reason))

    def _lane_for(self, pair: Pair, *, fresh: bool) -> _Lane:
        """A lane that is free and was opened with `pair`.

        One that was opened before the pair was known is replaced by one that has it besides. One
        for other pairs, as many as an association holds, stays while another lane has the pair.
        """
        while True:
            self._take_one_more()
            busy = {job.lane for job in self._jobs if job.lane is not None}
            free = [lane for lane in self._lanes if lane not in busy]
            for lane in free:
                if lane.serves(pair) and not fresh:
                    return lane
            group = self._proposals.group_of(pair)
            outdated = [lane for lane in free if lane.offer.group == group or fresh]
            serving = [lane for lane in busy if lane.serves(pair)]
            if outdated or not self._lanes or (free and not serving):
                if free:
                    self._give_back((outdated or free)[0])
                return self._open(pair, wait=not busy)
            more = len(self._lanes) < self._allowed() and self._one_more is None
            if serving and not free and more:
                offer = self._offer(pair)
                self._one_more = OneMore(self._pool, offer.contexts()), offer
            waited_for = serving if free else busy
            self._finish(next(job for job in self._jobs if job.lane in waited_for))

    def _offer(self, pair: Pair) -> _Offer:
        proposals = self._proposals
        group = proposals.group_of(pair)
        return _Offer(group, proposals.needed(pair), proposals.likely(pair))

    def _take_one_more(self) -> None:
        """Uses the association that was opened meanwhile, if there is one."""
        if self._one_more is None or not self._one_more[0].decided:
            return
        (one_more, offer), self._one_more = self._one_more, None
        try:
            self._add(one_more.take(), offer)
        except DicomError:
            # The server (or the gate) has no room for more: those at hand must do.
            self._most = max(1, len(self._lanes))

    def _abandon_one_more(self) -> None:
        if self._one_more is not None:
            self._one_more[0].abandon()
            self._one_more = None

    def _add(self, association: Association, offer: _Offer) -> _Lane:
        lane = _Lane(association, offer)
        self._lanes.append(lane)
        needed = set(offer.needed)
        for context, reason in association.agreement.rejected.items():
            pair = (context.abstract_syntax, context.transfer_syntaxes[0])
            if pair in needed:
                self._state.rejected[pair] = reason
        return lane

    def _open(self, pair: Pair, *, wait: bool) -> _Lane:
        state = self._state
        # A server that serves one at a time would serve this one first.
        self._abandon_one_more()
        offer = self._offer(pair)
        try:
            association = self._pool.take(offer.contexts(), wait=wait)
        except DicomError:
            if not offer.likely:
                raise
            # It may not bear so many contexts.
            self._proposals.stop_guessing()
            offer = self._offer(pair)
            association = self._pool.take(offer.contexts(), wait=wait)
        lane = self._add(association, offer)
        if pair not in association.agreement.by_pair and pair not in state.rejected:
            # Accepted with a syntax that was not proposed: not to be trusted.
            state.rejected[pair] = 4
        return lane

    def _give_back(self, lane: _Lane) -> None:
        self._lanes.remove(lane)
        self._pool.give_back(lane.offer.contexts(), lane.association)

    def _drop(self, lane: _Lane) -> None:
        self._lanes.remove(lane)
        self._pool.drop(lane.association)

    def _put_back(self) -> None:
        """Keeps one association for the next time; what is under way is aborted."""
        self._abandon_one_more()
        busy = {job.lane for job in self._jobs if job.lane is not None}
        for lane in list(self._lanes):
            if lane in busy:
                self._drop(lane)
            elif len(self._lanes) > 1:
                self._lanes.remove(lane)
                self._pool.release(lane.association)
            else:
                self._give_back(lane)


def _pairs_of(instances: Sequence[DicomInstance]) -> Iterator[Pair]:
    for instance in instances:
        if not instance.uid_fault:
            yield instance.sop_class_uid, instance.transfer_syntax_uid


def _unreadable(error: OSError) -> DicomError:
    result = PermanentDicomError("An instance that was to be sent cannot be read.", code="disk")
    result.__cause__ = error
    return result

"""Storing many instances over one association that is reopened as needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..config import StoreProtocol
from ..contexts import MAXIMUM_CONTEXTS, storage_contexts
from ..errors import DicomError, PermanentDicomError
from ..instance import DicomInstance
from ..outcomes import StoreOutcome, context_rejected, failed, from_status
from .association import Association
from .pool import AssociationPool
from .store import store

_C_STORE = StoreProtocol.C_STORE
# After so many breaks in a row without a success between them the rest is not tried any more.
_BREAKS_BEFORE_GIVING_UP = 5
_REFUSALS_BEFORE_GIVING_UP = 2

_Pair = tuple[str, str]


class Sender:
    """Sends instances one after the other; each gets exactly one outcome.

    The association has a context for each pair of SOP class and transfer syntax seen so far; a new
    pair opens a new one. Where the association breaks, the instance on its way is sent again once
    over a fresh one (the same UID, so nothing is stored twice).
    """

    def __init__(self, pool: AssociationPool, server: str) -> None:
        self._pool = pool
        self._server = server
        self._pairs: dict[_Pair, None] = {}
        self._rejected: dict[_Pair, int] = {}
        self._association: Association | None = None
        self._breaks = 0
        self._refusals = 0
        self._gave_up: DicomError | None = None

    def send_all(self, instances: Iterable[DicomInstance]) -> Iterator[StoreOutcome]:
        """Yields the outcome of each instance before it takes the next one."""
        try:
            for instance in instances:
                yield self._send(instance)
        finally:
            self._put_back()

    def _send(self, instance: DicomInstance) -> StoreOutcome:
        pair = (instance.sop_class_uid, instance.transfer_syntax_uid)
        while True:
            if pair in self._rejected:
                return context_rejected(instance, self._server, self._rejected[pair])
            if self._gave_up is not None:
                return failed(instance, _C_STORE, self._gave_up)
            try:
                association = self._association_for(pair)
            except DicomError as error:
                self._refusals += 1
                if self._refusals >= _REFUSALS_BEFORE_GIVING_UP or isinstance(
                    error, PermanentDicomError
                ):
                    self._gave_up = error
                return failed(instance, _C_STORE, error)
            self._refusals = 0
            context = association.agreement.by_pair.get(pair)
            if context is None:
                continue
            was_used = association.used
            try:
                status = store(association, context, instance)
            except DicomError as error:
                self._drop()
                if was_used and error.code != "timeout":
                    continue
                self._breaks += 1
                if self._breaks >= _BREAKS_BEFORE_GIVING_UP:
                    self._gave_up = error
                return failed(instance, _C_STORE, error)
            except OSError as error:
                return failed(instance, _C_STORE, _unreadable(error))
            except BaseException:
                self._drop()
                raise
            self._breaks = 0
            return from_status(instance, _C_STORE, self._server, status)

    def _association_for(self, pair: _Pair) -> Association:
        """The association at hand if it was opened with `pair`, or a new one."""
        if self._association is not None and pair in self._pairs:
            return self._association
        self._put_back()
        self._pairs[pair] = None
        while len(self._pairs) > MAXIMUM_CONTEXTS:
            del self._pairs[next(iter(self._pairs))]
        contexts = storage_contexts(self._pairs)
        association = self._pool.take(contexts)
        self._association = association
        for context, reason in association.agreement.rejected.items():
            self._rejected[context.abstract_syntax, context.transfer_syntaxes[0]] = reason
        if pair not in association.agreement.by_pair and pair not in self._rejected:
            # Accepted with a syntax that was not proposed: not to be trusted.
            self._rejected[pair] = 4
        return association

    def _put_back(self) -> None:
        association, self._association = self._association, None
        if association is not None:
            self._pool.give_back(storage_contexts(self._pairs), association)

    def _drop(self) -> None:
        association, self._association = self._association, None
        if association is not None:
            self._pool.drop(association)


def _unreadable(error: OSError) -> DicomError:
    result = PermanentDicomError("An instance that was to be sent cannot be read.", code="disk")
    result.__cause__ = error
    return result

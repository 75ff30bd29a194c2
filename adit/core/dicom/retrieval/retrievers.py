"""How each protocol brings the instances of a series."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterator
from typing import Protocol

from ..contexts import Context
from ..dicomweb import DicomWebConnector
from ..dimse import DimseConnector, RetrieveReport
from ..errors import DicomError, TransientDicomError
from ..instance import DicomInstance
from .moving import MoveRetriever
from .want import FEW_AT_ONCE, FEW_ONE_BY_ONE, Want, short_list

logger = logging.getLogger(__name__)

# It is not there, or not as a DICOM file, or not all of it came; the others may be.
_OF_ONE_INSTANCE = frozenset({"HTTP 404", "protocol", "HTTP 206"})

__all__ = ["GetRetriever", "MoveRetriever", "Retriever", "WadoRetriever"]


class Retriever(Protocol):
    """Brings instances; may bring others, or some twice, or not all: that is checked elsewhere."""

    def retrieve(self, want: Want, received: Collection[str]) -> Iterator[DicomInstance]:
        """Yields what comes; `received` holds the UIDs of those that were good, and grows."""
        ...


class WadoRetriever:
    """WADO-RS: the series in one answer, or the few instances that are wanted one by one."""

    def __init__(self, connector: DicomWebConnector) -> None:
        self._connector = connector

    def retrieve(self, want: Want, received: Collection[str]) -> Iterator[DicomInstance]:
        study, series = want.study_instance_uid, want.series_instance_uid
        wanted = want.sop_instance_uids
        if wanted is None or len(wanted) > FEW_ONE_BY_ONE or not want.by_name(FEW_ONE_BY_ONE):
            yield from self._connector.retrieve(study, series)
            return
        problem: DicomError | None = None
        for uid in sorted(wanted):
            try:
                yield from self._connector.retrieve(study, series, uid)
            except DicomError as error:
                if error.code not in _OF_ONE_INSTANCE:
                    raise
                problem = problem or error
        if problem is not None:
            raise problem


class GetRetriever:
    """C-GET: with the contexts that the study needs, in several associations where it must be."""

    def __init__(
        self,
        connector: DimseConnector,
        sop_classes: Callable[[Want], Collection[str]],
        list_instances: Callable[[Want], Collection[str] | None],
        pairs: Callable[[Want, bool], Collection[tuple[str, str]]] = lambda want, ask: (),
    ) -> None:
        """Creates the retriever.

        Args:
            connector: Of the server.
            sop_classes: Gives the SOP classes that a series (or its study) holds, empty if unknown.
            list_instances: Gives the UIDs of a series' instances, None where the server cannot.
            pairs: Gives SOP class and transfer syntax of what a series holds, as far as the server
                has told, or tells when it is asked.
        """
        self._connector = connector
        self._sop_classes = sop_classes
        self._pairs = pairs
        self._list_instances = list_instances

    def retrieve(self, want: Want, received: Collection[str]) -> Iterator[DicomInstance]:
        sop_classes = self._sop_classes(want)
        batches = self._connector.get_batches(sop_classes, self._pairs(want, False))
        if sop_classes:
            # Should the server have told only a part of them.
            batches += self._connector.get_batches(())
        wanted: Collection[str] | None = want.sop_instance_uids
        by_name = want.by_name(FEW_AT_ONCE)
        promised = 0
        for number, contexts in enumerate(batches):
            last = number == len(batches) - 1
            failed = yield from self._with_contexts(
                want, wanted, received, contexts, by_name=by_name, last=last
            )
            if not failed:
                break
            if wanted is not None or not number:
                promised = max(promised, len(received) + failed)
            if wanted is not None and set(wanted) <= set(received):
                # There are more than were listed: no name tells what is missing.
                wanted = None
            if want.sop_instance_uids is not None and len(received) >= promised:
                break
            if not number:
                batches[1:1] = self._told_now(want, contexts)
            if wanted is None and not last:
                # The rest needs other contexts. Ask for it by name, not for all again. A list that
                # names fewer than there are is of no use.
                listed = self._list_instances(want) or ()
                wanted = listed if len(listed) >= len(received) + failed else None
            by_name = True
        self._check(want, wanted, promised, received)

    def _told_now(self, want: Want, offered: tuple[Context, ...]) -> list[tuple[Context, ...]]:
        """Contexts for what the server, asked for it, says to hold and could not send."""
        self._connector.release_idle()
        pairs = {(sop_class, syntax) for sop_class, syntax in self._pairs(want, True)}
        pairs -= {(one.abstract_syntax, one.transfer_syntaxes[0]) for one in offered}
        return self._connector.get_batches((), pairs)[:1] if pairs else []

    def _check(
        self,
        want: Want,
        wanted: Collection[str] | None,
        promised: int,
        received: Collection[str],
    ) -> None:
        """A request that ends well does not undo what one before it could not send."""
        if not promised or (want.sop_instance_uids is not None and want.missing(received)):
            return
        server = self._connector.server.name
        if want.sop_instance_uids is not None:
            if (missing := promised - len(received)) > 0 and want.is_short(promised):
                raise short_list(server, missing)
            return
        there = promised if wanted is None else len(set(wanted) | set(received))
        if missing := there - len(received):
            raise TransientDicomError(
                f"{server} did not send {missing} of {there} instances.", code="incomplete"
            )

    def _with_contexts(
        self,
        want: Want,
        wanted: Collection[str] | None,
        received: Collection[str],
        contexts: tuple[Context, ...],
        *,
        by_name: bool,
        last: bool,
    ) -> Generator[DicomInstance, None, int]:
        """Returns how many instances are missing that other contexts may bring."""
        missing = sorted(set(wanted or ()) - set(received))
        if wanted is not None and not missing:
            return 0
        if wanted is not None and by_name:
            failed = yield from self._by_name(want, missing, received, contexts, last=last)
            if failed is not None:
                return failed
            # Some servers know no IMAGE level and answer success with nothing, others fail as a
            # whole when one instance is not there: ask for the series, then.
        report = RetrieveReport()
        problem: DicomError | None = None
        try:
            yield from self._connector.get(want.scope(), contexts, report)
        except DicomError as error:
            problem = error
        if want.sop_instance_uids is not None and not want.missing(received):
            lacking = report.failed
            if problem is not None:
                lacking = max(lacking, (report.promised or 0) - report.received)
            if lacking <= 0 or not want.is_short(len(received) + lacking):
                if problem is not None:
                    raise problem
                return 0
            if problem is not None or (last and wanted is not None):
                raise short_list(self._connector.server.name, lacking) from problem
            return report.failed
        if problem is not None:
            raise problem
        self._raise(report, last)
        return report.failed

    def _by_name(
        self,
        want: Want,
        missing: Collection[str],
        received: Collection[str],
        contexts: tuple[Context, ...],
        *,
        last: bool,
    ) -> Generator[DicomInstance, None, int | None]:
        """Returns how many other contexts may bring; None where asking so is no use."""
        failed = 0
        problem: DicomError | None = None
        for group in want.groups(missing):
            report = RetrieveReport()
            yield from self._connector.get(want.scope(group), contexts, report)
            if all(uid in received for uid in group):
                continue
            if not (report.received or report.failed):
                return None
            failed += report.failed
            try:
                self._raise(report, last)
            except DicomError as error:
                # The other instances are asked for all the same.
                problem = problem or error
        if problem is not None:
            raise problem
        return failed

    def _raise(self, report: RetrieveReport, last: bool) -> None:
        server = self._connector.server.name
        error = report.failure(server, "C-GET")
        if error is None and report.received < report.completed:
            raise TransientDicomError(
                f"{server} reported more instances than it sent.", code="incomplete"
            )
        if error is not None and (report.error is not None or last or not report.failed):
            raise error

"""C-GET: the server sends on our own association, in the contexts that were agreed on for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..contexts import Context
from ..dimse import DimseConnector, RetrieveReport
from ..errors import DicomError, TransientDicomError
from ..instance import DicomInstance
from .failures import NotOffered, concerns_all, may_be_contexts, with_classes
from .want import FEW_AT_ONCE, Want, short_list


@dataclass(frozen=True, slots=True)
class _Ended:
    """How the requests with one set of contexts ended.

    Attributes:
        failed: How many instances are missing that other contexts may bring.
        problem: Why, as far as the server said.
    """

    failed: int = 0
    problem: DicomError | None = None


class GetRetriever:
    """C-GET: with the contexts that the study needs, in several associations where it must be."""

    of_all = ()

    def __init__(
        self,
        connector: DimseConnector,
        sop_classes: Callable[[Want], Collection[str]],
        list_instances: Callable[[Want], Collection[str] | None],
        pairs: Callable[[Want, bool], Collection[tuple[str, str]]] = lambda want, ask: (),
        class_of: Callable[[Want], Mapping[str, str]] = lambda want: {},
    ) -> None:
        """Creates the retriever.

        Args:
            connector: Of the server.
            sop_classes: Gives the SOP classes that a series (or its study) holds, empty if unknown.
            list_instances: Gives the UIDs of a series' instances, None where the server cannot.
            pairs: Gives SOP class and transfer syntax of what a series holds, as far as the server
                has told, or tells when it is asked.
            class_of: Gives the SOP classes of a series' instances by their UIDs, as far as the
                server has told when it was asked for `pairs`.
        """
        self._connector = connector
        self._sop_classes = sop_classes
        self._pairs = pairs
        self._list_instances = list_instances
        self._class_of = class_of

    def retrieve(self, want: Want, received: Collection[str]) -> Iterator[DicomInstance]:
        sop_classes = self._sop_classes(want)
        try:
            yield from self._in_batches(want, received, sop_classes)
            self._compare(want, received)
        except DicomError as error:
            if (reason := self._not_offered(want, received, sop_classes, error)) is not None:
                raise reason from error
            raise
        if want.missing(received):
            reason = self._not_offered(want, received, sop_classes, None)
            if reason is not None:
                raise reason

    def _in_batches(
        self, want: Want, received: Collection[str], sop_classes: Collection[str]
    ) -> Iterator[DicomInstance]:
        batches = self._connector.get_batches(sop_classes, self._pairs(want, False))
        if sop_classes:
            # Should the server have told only a part of them.
            batches += self._connector.get_batches(())
        wanted: Collection[str] | None = want.sop_instance_uids
        by_name = want.by_name(FEW_AT_ONCE)
        promised = 0
        offered: set[tuple[str, str]] = set()
        problem: DicomError | None = None
        while batches:
            contexts = batches.pop(0)
            first = not offered
            if not first and not self._may_help(want, received, contexts, offered):
                continue
            offered |= _pairs_of(contexts)
            ended = yield from self._with_contexts(want, wanted, received, contexts, by_name)
            if not ended.failed:
                break
            if want.sop_instance_uids is None or want.missing(received):
                problem = ended.problem or problem
            else:
                problem = ended.problem
            if wanted is not None or first:
                promised = max(promised, len(received) + ended.failed)
            if wanted is not None and set(wanted) <= set(received):
                # There are more than were listed: no name tells what is missing.
                wanted = None
            if want.sop_instance_uids is not None and len(received) >= promised:
                break
            if first:
                batches[:0] = self._told_now(want, offered)
            if wanted is None and batches:
                # The rest needs other contexts. Ask for it by name, not for all again. A list that
                # names fewer than there are is of no use.
                listed = self._list_instances(want) or ()
                wanted = listed if len(listed) >= len(received) + ended.failed else None
            by_name = True
        else:
            if problem is not None:
                raise problem
        self._check(want, wanted, promised, received)

    def _may_help(
        self,
        want: Want,
        received: Collection[str],
        contexts: Iterable[Context],
        offered: Collection[tuple[str, str]],
    ) -> bool:
        """Whether contexts are among them that may bring what is missing, as far as is known."""
        lacking = self._lacking_classes(want, received)
        if lacking is None:
            return True
        lacking -= self._connector.unknown_classes
        return any(one[0] in lacking and one not in offered for one in _pairs_of(contexts))

    def _lacking_classes(self, want: Want, received: Collection[str]) -> set[str] | None:
        """The SOP classes of what is missing; None where not all of them are known."""
        class_of = self._class_of(want)
        uids = set(class_of if want.sop_instance_uids is None else want.sop_instance_uids)
        uids -= set(received)
        if not uids or not uids <= class_of.keys():
            return None
        return {class_of[uid] for uid in uids}

    def _not_offered(
        self,
        want: Want,
        received: Collection[str],
        sop_classes: Collection[str],
        error: DicomError | None,
    ) -> DicomError | None:
        """What the agreements tell of the reason why instances are missing; None for nothing."""
        if error is not None and not may_be_contexts(error):
            return None
        name, refused = self._connector.server.name, self._connector.refused_classes
        lacking = self._lacking_classes(want, received)
        certain = lacking is not None
        lacking = set(sop_classes) if lacking is None else lacking
        if not (gone := lacking & refused):
            return None
        if gone == lacking:
            return NotOffered(name, gone)
        if error is not None:
            return with_classes(error, gone)
        if not certain:
            return None
        missing = len(want.missing(received))
        text = f"{name} did not send {missing} of {len(want.sop_instance_uids or ())} instances."
        return with_classes(TransientDicomError(text, code="incomplete"), gone)

    def _told_now(
        self, want: Want, offered: Collection[tuple[str, str]]
    ) -> list[tuple[Context, ...]]:
        """Contexts for what the server, asked for it, says to hold and could not send."""
        self._connector.release_idle()
        pairs = {(sop_class, syntax) for sop_class, syntax in self._pairs(want, True)}
        pairs -= set(offered)
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
            raise _did_not_send(server, missing, there)

    def _compare(self, want: Want, received: Collection[str]) -> None:
        """Where nothing was asked for by name, what came is compared with what the server lists.

        Whoever says what it lists compares that itself.
        """
        if want.sop_instance_uids is not None or want.of_patient_only or not received:
            return
        server = self._connector.server.name
        if want.listed is None:
            self._connector.release_idle()
            listed = set(self._list_instances(want) or ())
            if missing := len(listed - set(received)):
                raise _did_not_send(server, missing, len(listed | set(received)))
        if want.series_size is not None and (missing := want.series_size - len(received)) > 0:
            raise _did_not_send(server, missing, want.series_size)

    def _with_contexts(
        self,
        want: Want,
        wanted: Collection[str] | None,
        received: Collection[str],
        contexts: tuple[Context, ...],
        by_name: bool,
    ) -> Generator[DicomInstance, None, _Ended]:
        missing = sorted(set(wanted or ()) - set(received))
        if wanted is not None and not missing:
            return _Ended()
        if wanted is not None and by_name:
            ended = yield from self._by_name(want, missing, received, contexts)
            if ended is not None:
                return ended
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
                return _Ended()
            short = short_list(self._connector.server.name, lacking)
            if problem is not None:
                raise short from problem
            return _Ended(report.failed, short if wanted is not None else None)
        if problem is not None:
            raise problem
        return self._ended(report)

    def _by_name(
        self,
        want: Want,
        missing: Collection[str],
        received: Collection[str],
        contexts: tuple[Context, ...],
    ) -> Generator[DicomInstance, None, _Ended | None]:
        """Asks for what these contexts can bring; None where asking by name is no use."""
        class_of = self._class_of(want)
        classes = {uid for uid, _ in _pairs_of(contexts)} - self._connector.unknown_classes
        sendable = [uid for uid in missing if class_of.get(uid, "") in classes | {""}]
        failed = len(missing) - len(sendable)
        problem = final = None
        for group in want.groups(sendable):
            report = RetrieveReport()
            yield from self._connector.get(want.scope(group), contexts, report)
            if all(uid in received for uid in group):
                continue
            said = report.failure(self._connector.server.name, "C-GET")
            if said is not None and concerns_all(said):
                raise said
            if not (report.received or report.failed):
                return None
            try:
                ended = self._ended(report)
            except DicomError as error:
                # The other instances are asked for all the same.
                final = final or error
                continue
            failed += ended.failed
            problem = problem or ended.problem
        if final is not None:
            raise final
        return _Ended(failed, problem)

    def _ended(self, report: RetrieveReport) -> _Ended:
        """How a request ended that the server has answered.

        Raises:
            DicomError: If other contexts do not change that.
        """
        server = self._connector.server.name
        error = report.failure(server, "C-GET")
        if error is None:
            # The first pending response told how many it wanted to send.
            told = max(report.completed, (report.promised or 0) - report.failed)
            if report.received < told:
                raise TransientDicomError(
                    f"{server} reported more instances than it sent: {told} instead of "
                    f"{report.received}.",
                    code="incomplete",
                )
            return _Ended(report.failed)
        if report.error is not None or not may_be_contexts(error):
            raise error
        lacking = max(report.failed, (report.promised or 0) - report.received, 1)
        return _Ended(lacking, error)


def _pairs_of(contexts: Iterable[Context]) -> set[tuple[str, str]]:
    """SOP class and transfer syntax of the contexts in which instances can come."""
    return {
        (one.abstract_syntax, syntax)
        for one in contexts
        if one.as_scp
        for syntax in one.transfer_syntaxes
    }


def _did_not_send(server: str, missing: int, there: int) -> DicomError:
    return TransientDicomError(
        f"{server} did not send {missing} of {there} instances.", code="incomplete"
    )

"""The one door to a PACS: whatever it is asked, it finds the protocol and hides the difference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from . import policy
from .cancel import CancelToken
from .config import LocalConfig, QueryProtocol, RetrieveProtocol, ServerConfig, StoreProtocol
from .dicomweb import DicomWebConnector
from .dimse import DimseConnector, ProgressClock, RetrieveReport
from .errors import DicomError, PermanentDicomError
from .gate import Pace
from .incoming import IncomingInstances
from .instance import DicomInstance
from .outcomes import StoreOutcome
from .query import Query
from .results import InstanceResult, PatientResult, ResultStream, SeriesResult, StudyResult
from .retrieval import (
    GetRetriever,
    MoveRetriever,
    Retriever,
    WadoRetriever,
    Want,
    retrieve_checked,
)
from .searching import Searcher
from .streams import Buffered, buffered

_QUEUED_INSTANCES = 64
_QUEUED_BYTES = 64 * 1024 * 1024
_T = TypeVar("_T")


class DicomOperator:
    """Queries, fetches from and stores to one server. Not to be shared between threads.

    Associations and connections are used again until `close`. Use it as a context manager.
    """

    def __init__(
        self,
        server: ServerConfig,
        local: LocalConfig | None = None,
        *,
        cancel: CancelToken | None = None,
        incoming: IncomingInstances | None = None,
        spill_folder: Path | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Creates an operator; nothing is sent yet.

        Args:
            server: The PACS.
            local: Our own side.
            cancel: Stops whatever is under way; what was stopped raises Canceled.
            incoming: The receivers' inbox, needed for C-MOVE.
            spill_folder: Where large instances go; without it they stay in memory.
            pace: Called before each instance that is fetched or stored, to spread them over time.
        """
        self.server = server
        self._local = local or LocalConfig()
        self._cancel = cancel or CancelToken()
        self._incoming = incoming
        self._spill_folder = spill_folder
        self._pace = pace
        self._dimse: DimseConnector | None = None
        self._web: DicomWebConnector | None = None
        self._searcher: Searcher | None = None
        self._sop_classes: dict[str, tuple[str, ...]] = {}
        self._series_sizes: dict[str, int] = {}

    def __enter__(self) -> DicomOperator:
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases the associations and closes the connections."""
        if self._dimse is not None:
            self._dimse.close()
        if self._web is not None:
            self._web.close()
        self._dimse = self._web = self._searcher = None

    # What the server can do.

    def query_protocols(self) -> list[QueryProtocol]:
        """The protocols to query with, the best first."""
        return policy.query_protocols(self.server)

    def can_find(self) -> bool:
        """Whether the server can be asked what it holds."""
        return bool(self.query_protocols())

    def retrieve_protocols(self) -> list[RetrieveProtocol]:
        """The protocols to fetch with, the best first; C-MOVE only with an inbox."""
        return policy.retrieve_protocols(self.server, can_receive=self._incoming is not None)

    def store_protocols(self) -> list[StoreProtocol]:
        """The protocols to store with, the best first."""
        return policy.store_protocols(self.server)

    # Asking.

    def echo(self) -> None:
        """Verifies that the server answers: C-ECHO, or QIDO-RS where it has DICOMweb only.

        Raises:
            DicomError: If it does not answer.
        """
        self._cancel.check()
        if self.server.host and self.server.port:
            self._dimse_connector().echo()
        else:
            self._web_connector().ping()

    def find_patients(
        self, query: Query, *, limit: int | None = None
    ) -> ResultStream[PatientResult]:
        """Patients; at study level where the server has no patient level."""
        return self._search().patients(query, limit)

    def find_studies(self, query: Query, *, limit: int | None = None) -> ResultStream[StudyResult]:
        """Studies, modalities and counts filled in from their series where they are missing."""
        return self._search().studies(query, limit)

    def find_series(self, query: Query, *, limit: int | None = None) -> ResultStream[SeriesResult]:
        """Series of the study in `query`."""
        return self._search().series(query, limit)

    def find_instances(
        self, query: Query, *, limit: int | None = None
    ) -> ResultStream[InstanceResult]:
        """Instances of the series in `query`."""
        results = self._search().instances(query, limit)
        results.on_end = lambda: self._note_size(query, results)
        return results

    def _note_size(self, query: Query, results: ResultStream[InstanceResult]) -> None:
        """Remembers how many instances a series has, when all of them were listed."""
        whole = Query(
            patient_id=query.patient_id,
            study_instance_uid=query.study_instance_uid,
            series_instance_uid=query.series_instance_uid,
        )
        if not results.truncated and query == whole and isinstance(query.series_instance_uid, str):
            self._series_sizes[query.series_instance_uid] = results.count

    # Fetching.

    def fetch(
        self,
        *,
        patient_id: str,
        study_instance_uid: str,
        series: Mapping[str, Collection[str] | None],
        protocol: RetrieveProtocol | None = None,
        sop_classes: Collection[str] = (),
    ) -> Buffered[DicomInstance]:
        """Fetches instances; the network runs in a thread, a bounded number of bytes ahead.

        Each instance comes once. If the consumer is slow, the server waits; if it stops (`close`,
        or the iterator is dropped), the association is aborted.

        Args:
            patient_id: For servers with the Patient Root model only.
            study_instance_uid: The study.
            series: The wanted SOP Instance UIDs by Series Instance UID; None is all of the series.
            protocol: Instead of the first of `retrieve_protocols`.
            sop_classes: What the study holds, if it is known: saves C-GET a query.

        Raises:
            PermanentDicomError: Also while iterating, after all that came.
            TransientDicomError: While iterating, after all that came, if not all came.
            Canceled: While iterating, if the token was set.
        """
        wants = [
            Want(
                patient_id=patient_id,
                study_instance_uid=study_instance_uid,
                series_instance_uid=uid,
                sop_instance_uids=None if uids is None else frozenset(uids),
                series_size=self._series_sizes.get(uid),
            )
            for uid, uids in series.items()
            if uids is None or uids
        ]
        chosen = _choose(self.retrieve_protocols(), protocol, self.server.name)
        if sop_classes:
            self._sop_classes[study_instance_uid] = tuple(sop_classes)
        if self._dimse is not None:
            self._dimse.release_idle()
        stop = CancelToken()
        return buffered(
            self._retrieve(wants, chosen, stop),
            max_items=_QUEUED_INSTANCES,
            max_bytes=_QUEUED_BYTES,
            size=lambda instance: instance.size,
            on_stop=stop.cancel,
        )

    def _retrieve(
        self, wants: list[Want], protocol: RetrieveProtocol, stop: CancelToken
    ) -> Iterator[DicomInstance]:
        """Runs in the thread of `buffered`, with connections of its own that `stop` ends."""
        with self._cancel.on_cancel(stop.cancel), contextlib.ExitStack() as stack:
            retriever = self._retriever(protocol, stop, stack)
            yield from self._paced(retrieve_checked(retriever, wants, self.server.name, stop))

    def _paced(self, instances: Iterable[DicomInstance]) -> Iterator[DicomInstance]:
        """A server whose instances are not read does not send more: that is what slows it down."""
        try:
            for instance in instances:
                if self._pace is not None:
                    self._pace()
                yield instance
                del instance
        finally:
            if isinstance(instances, Generator):
                instances.close()

    def _retriever(
        self, protocol: RetrieveProtocol, stop: CancelToken, stack: contextlib.ExitStack
    ) -> Retriever:
        if protocol == RetrieveProtocol.WADO_RS:
            web = DicomWebConnector(self.server, self._local, stop, self._spill_folder)
            stack.callback(web.close)
            return WadoRetriever(web)
        asking = DicomOperator(self.server, self._local, cancel=stop)
        asking._sop_classes = self._sop_classes
        stack.callback(asking.close)
        if protocol == RetrieveProtocol.C_GET:
            dimse = DimseConnector(self.server, self._local, stop, self._spill_folder)
            stack.callback(dimse.close)
            return GetRetriever(dimse, asking._sop_classes_of, asking._list_instances)
        assert self._incoming is not None

        def connect(token: CancelToken) -> DimseConnector:
            return DimseConnector(self.server, self._local, token)

        return MoveRetriever(self._local, connect, self._incoming, asking._list_instances, stop)

    def _sop_classes_of(self, want: Want) -> tuple[str, ...]:
        """What the study (or, if it does not tell, the series) holds; empty if nobody tells."""
        uid = want.study_instance_uid
        if uid not in self._sop_classes:
            query = Query(patient_id=want.patient_id, study_instance_uid=uid)
            studies = self._quietly(lambda: list(self.find_studies(query, limit=1))) or []
            self._sop_classes[uid] = studies[0].sop_classes_in_study if studies else ()
        if self._sop_classes[uid]:
            return self._sop_classes[uid]
        instances = self._quietly(lambda: self._instances_of(want)) or []
        return tuple(sorted({i.sop_class_uid for i in instances if i.sop_class_uid}))

    def _list_instances(self, want: Want) -> list[str] | None:
        """The UIDs of a series' instances, or None where the server cannot list them."""
        instances = self._quietly(lambda: self._instances_of(want))
        return [i.sop_instance_uid for i in instances] if instances is not None else None

    def _instances_of(self, want: Want) -> list[InstanceResult]:
        query = Query(
            patient_id=want.patient_id,
            study_instance_uid=want.study_instance_uid,
            series_instance_uid=want.series_instance_uid,
        )
        return list(self.find_instances(query))

    def _quietly(self, ask: Callable[[], _T]) -> _T | None:
        """The answer to a question that helps but is not needed; None if the server fails.

        The association is not kept: the retrieval needs the next one.
        """
        try:
            return ask()
        except DicomError:
            return None
        finally:
            if self._dimse is not None:
                self._dimse.release_idle()

    # Sending.

    def store(
        self, instances: Iterable[DicomInstance], *, protocol: StoreProtocol | None = None
    ) -> Iterator[StoreOutcome]:
        """Stores instances as they are; yields exactly one outcome for each, in their order.

        `instances` is consumed as the sending goes on; with STOW-RS a request ahead.

        Raises:
            PermanentDicomError: At once, if the server cannot store at all.
            Canceled: While iterating, if the token was set.
        """
        chosen = _choose(self.store_protocols(), protocol, self.server.name)
        if self._pace is not None:
            instances = self._paced(instances)
        if chosen == StoreProtocol.C_STORE:
            return self._dimse_connector().store(instances)
        return self._web_connector().store(instances)

    def move(
        self,
        *,
        patient_id: str,
        study_instance_uid: str,
        destination_ae_title: str,
        series: Mapping[str, Collection[str] | None] | None = None,
    ) -> RetrieveReport:
        """Lets the server send straight to another one (C-MOVE), series by series or as a study.

        Returns:
            The sum of what the server reports. That it arrived must be asked at the destination.

        Raises:
            DicomError: If the server reports a failure.
            Canceled: If the token was set.
        """
        wants: list[Want | None] = [None]
        if series is not None:
            wants = [
                Want(
                    patient_id=patient_id,
                    study_instance_uid=study_instance_uid,
                    series_instance_uid=uid,
                    sop_instance_uids=None if uids is None else frozenset(uids),
                )
                for uid, uids in series.items()
            ]
        total = RetrieveReport(status=0)
        for number, want in enumerate(wants, start=1):
            report = RetrieveReport()
            whole = Want(
                patient_id=patient_id,
                study_instance_uid=study_instance_uid,
                series_instance_uid="",
            )
            scope = want.scope(want.sop_instance_uids or ()) if want else whole.scope()
            clock = ProgressClock(self._local.progress_timeout)
            self._dimse_connector().move(scope, destination_ae_title, number, report, clock)
            total.completed += report.completed
            total.failed += report.failed
            total.warning += report.warning
            if (error := report.failure(self.server.name, "C-MOVE")) is not None:
                raise error
        return total

    # Connections.

    def _dimse_connector(self) -> DimseConnector:
        if self._dimse is None:
            self._dimse = DimseConnector(self.server, self._local, self._cancel)
        return self._dimse

    def _web_connector(self) -> DicomWebConnector:
        if self._web is None:
            self._web = DicomWebConnector(self.server, self._local, self._cancel)
        return self._web

    def _search(self) -> Searcher:
        if self._searcher is None:
            protocol = _choose(self.query_protocols(), None, self.server.name)
            if protocol == QueryProtocol.C_FIND:
                patient_level = self.server.patient_root_find_support
                finder = self._dimse_connector()
            else:
                patient_level = False
                finder = self._web_connector()
            self._searcher = Searcher(self.server, finder, patient_level=patient_level)
        return self._searcher


def _choose(supported: list[_T], wanted: _T | None, server: str) -> _T:
    """The wanted protocol if the server has it, else the first.

    Raises:
        PermanentDicomError: If there is none.
    """
    if wanted is None and supported:
        return supported[0]
    if wanted is not None and wanted in supported:
        return wanted
    what = f" with {wanted}" if wanted is not None else ""
    raise PermanentDicomError(
        f"{server} is not set up for this operation{what}.",
        code="unsupported",
        advice="Check which operations are switched on for this server.",
    )

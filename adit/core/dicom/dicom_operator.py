"""The one door to a PACS: whatever it is asked, it finds the protocol and hides the difference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from . import policy
from .cancel import CancelToken
from .commitment import CommitmentReport, CommitmentReports, CommitmentResult, ReportStream
from .commitment_requests import request_commitment
from .config import LocalConfig, QueryProtocol, RetrieveProtocol, ServerConfig, StoreProtocol
from .contents import Contents
from .dicomweb import DicomWebConnector
from .dimse import DimseConnector, RetrieveReport
from .direct_move import move_directly, scopes_of
from .gate import Pace
from .incoming import IncomingInstances
from .instance import DicomInstance
from .outcomes import StoreOutcome
from .query import Query
from .results import InstanceResult, PatientResult, ResultStream, SeriesResult, StudyResult
from .retrieval import (
    Errands,
    GetRetriever,
    MoveRetriever,
    Observer,
    Retriever,
    WadoRetriever,
    Want,
    retrieve_checked,
    worst_of_lanes,
)
from .searching import Searcher
from .streams import Buffered, buffered, paced
from .uid_batches import LONGEST

# As many CT images as bytes allow; of larger objects fewer, for a task has 400 MB in all.
_QUEUED_INSTANCES = 64
_QUEUED_BYTES = 32 * 1024 * 1024


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
        reports: CommitmentReports | None = None,
    ) -> None:
        """Creates an operator; nothing is sent yet.

        Args:
            server: The PACS.
            local: Our own side.
            cancel: Stops whatever is under way; what was stopped raises Canceled.
            incoming: The receivers' inbox, needed for C-MOVE.
            spill_folder: Where large instances go; without it they stay in memory.
            pace: Called before each instance that is fetched or stored, to spread them over time.
            reports: What the receivers get of storage commitment. Without it only servers that
                report on the association of the request can be asked.
        """
        self.server = server
        self._local = (local or LocalConfig()).for_server(server)
        self._cancel = cancel or CancelToken()
        self._incoming = incoming
        self._spill_folder = spill_folder
        self._pace = pace
        self._reports = reports
        self._dimse: DimseConnector | None = None
        self._web: DicomWebConnector | None = None
        self._searcher: Searcher | None = None
        self._contents = Contents()
        # Series of which the last fetch brought nothing.
        self._without: set[str] = set()

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

    def rest(self) -> None:
        """Releases the associations that are only kept for the next request.

        A server counts them, and so does the association gate: whoever needs a place at the same
        server must not wait for one that nobody uses.
        """
        if self._dimse is not None:
            self._dimse.release_idle()

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
        results.on_end = lambda: self._contents.note_instances(query, results)
        return results

    # Fetching.

    def fetch(
        self,
        *,
        patient_id: str,
        study_instance_uid: str,
        series: Mapping[str, Collection[str] | None],
        protocol: RetrieveProtocol | None = None,
        sop_classes: Collection[str] = (),
        of_patient_only: bool = False,
        listed: Mapping[str, Collection[str]] | None = None,
        observer: Observer | None = None,
    ) -> Buffered[DicomInstance]:
        """Fetches instances; the network runs in a thread, a bounded number of bytes ahead.

        Each instance comes once, but where `listed` is given. If the consumer is slow, the server
        waits; if it stops (`close`, or the iterator is dropped), the association is aborted.

        Args:
            patient_id: For the Patient Root model and `of_patient_only`.
            study_instance_uid: The study.
            series: The wanted SOP Instance UIDs by Series Instance UID; None is all of the series.
            protocol: Instead of the first of `retrieve_protocols`.
            sop_classes: What the study holds, if it is known: saves C-GET a query.
            of_patient_only: What is of others does not count; the caller tells it apart.
            listed: What the server lists of each series. What comes of a series beyond its list
                shows that the list was short: it is yielded, too, and so is what comes twice.
            observer: Is told what the instances do not show.

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
                series_size=self._contents.size_of(uid),
                of_patient_only=of_patient_only,
                listed=None if listed is None else frozenset(listed.get(uid, ())),
                observer=observer,
            )
            for uid, uids in series.items()
            if uids is None or uids
        ]
        chosen = policy.choose(self.retrieve_protocols(), protocol, self.server.name)
        if sop_classes:
            self._contents.note_sop_classes(study_instance_uid, tuple(sop_classes))
        self.rest()
        # What has just failed must not keep the others from being tried.
        wants.sort(key=lambda want: want.series_instance_uid in self._without)
        self._without = set()
        stop, errands = CancelToken(), Errands(wants)
        most = min(self._local.move_associations, self.server.max_associations)
        lanes = min(most, len(wants)) if chosen == RetrieveProtocol.C_MOVE else 1
        return buffered(
            *(self._retrieve(errands, chosen, stop, lane) for lane in range(max(1, lanes))),
            max_items=_QUEUED_INSTANCES,
            max_bytes=_QUEUED_BYTES,
            size=lambda instance: instance.size,
            on_stop=stop.cancel,
            worst=worst_of_lanes,
        )

    def _retrieve(
        self, errands: Errands, protocol: RetrieveProtocol, stop: CancelToken, lane: int
    ) -> Iterator[DicomInstance]:
        """Runs in a thread of `buffered`, with connections of its own that `stop` ends."""
        name = self.server.name
        with self._cancel.on_cancel(stop.cancel), contextlib.ExitStack() as stack:
            retriever = self._retriever(protocol, stop, stack, wait=lane == 0)
            if lane == 0:
                wants = errands.all_left()
                instances = retrieve_checked(retriever, wants, name, stop, self._without)
            else:
                instances = errands.help(retriever, name, stop)
            yield from paced(instances, self._pace)

    def _retriever(
        self,
        protocol: RetrieveProtocol,
        stop: CancelToken,
        stack: contextlib.ExitStack,
        *,
        wait: bool,
    ) -> Retriever:
        if protocol == RetrieveProtocol.WADO_RS:
            web = DicomWebConnector(self.server, self._local, stop, self._spill_folder)
            stack.callback(web.close)
            return WadoRetriever(web)
        asking = DicomOperator(self.server, self._local, cancel=stop)
        stack.callback(asking.close)

        def list_instances(want: Want) -> list[str] | None:
            return self._contents.list_instances(want, asking)

        if protocol == RetrieveProtocol.C_GET:
            dimse = DimseConnector(self.server, self._local, stop, self._spill_folder)
            stack.callback(dimse.close)
            return GetRetriever(
                dimse,
                lambda want: self._contents.sop_classes_of(want, asking),
                list_instances,
                lambda want, ask: self._contents.pairs_of(want, asking if ask else None),
                self._contents.class_of,
            )
        assert self._incoming is not None

        def connect(token: CancelToken) -> DimseConnector:
            return DimseConnector(self.server, self._local, token, wait=wait)

        return MoveRetriever(
            self.server, self._local, connect, self._incoming, list_instances, stop
        )

    # Sending.

    def store(
        self, instances: Iterable[DicomInstance], *, protocol: StoreProtocol | None = None
    ) -> Generator[StoreOutcome, None, None]:
        """Stores instances as they are; yields exactly one outcome for each, in their order.

        `instances` is consumed as the sending goes on; with STOW-RS a request ahead.

        Raises:
            PermanentDicomError: At once, if the server cannot store at all.
            Canceled: While iterating, if the token was set.
        """
        chosen = policy.choose(self.store_protocols(), protocol, self.server.name)
        if self._pace is not None:
            instances = paced(instances, self._pace)
        if chosen == StoreProtocol.C_STORE:
            return self._dimse_connector().store(instances)
        return self._web_connector().store(instances)

    def commit(
        self, references: Iterable[tuple[str, str]], *, patience: float = 60
    ) -> CommitmentResult:
        """Asks the server to take responsibility for instances (storage commitment, PS3.4 J).

        Args:
            references: SOP Class UID and SOP Instance UID of each.
            patience: Seconds to wait for each report; each covers 500 instances at most.

        Returns:
            What is committed, what not and why, and of what nothing was said. A server that does
            not answer is no exception here: nothing is committed then.

        Raises:
            PermanentDicomError: If the server is not set up for it.
            Canceled: If the token was set.
        """
        if not self.server.storage_commitment_support:
            raise policy.unsupported(self.server.name, "storage commitment")

        def request(
            transaction_uid: str,
            part: Sequence[tuple[str, str]],
            stream: ReportStream | None,
        ) -> CommitmentReport | None:
            return self._dimse_connector().commit(transaction_uid, part, stream, patience)

        return request_commitment(request, references, self._reports, self.server.name)

    def move(
        self,
        *,
        patient_id: str,
        study_instance_uid: str,
        destination_ae_title: str,
        series: Mapping[str, Collection[str] | None] | None = None,
        new_report: Callable[[], RetrieveReport] = RetrieveReport,
    ) -> RetrieveReport:
        """Lets the server send straight to another one (C-MOVE), series by series or as a study.

        Args:
            new_report: Makes the report that one C-MOVE fills in while it runs; for progress.

        Returns:
            The sum of what the server reports. That it arrived must be asked at the destination.

        Raises:
            DicomError: If the server reports a failure.
            Canceled: If the token was set.
        """
        return move_directly(
            self._dimse_connector(),
            scopes_of(patient_id, study_instance_uid, series),
            destination_ae_title,
            new_report,
        )

    # Connections.

    def _dimse_connector(self) -> DimseConnector:
        if self._dimse is None:
            self._dimse = DimseConnector(self.server, self._local, self._cancel)
        return self._dimse

    def _web_connector(self) -> DicomWebConnector:
        self.rest()
        if self._web is None:
            self._web = DicomWebConnector(self.server, self._local, self._cancel)
        return self._web

    def _search(self) -> Searcher:
        if self.query_protocols()[:1] == [QueryProtocol.QIDO_RS]:
            self.rest()
        if self._searcher is None:
            protocol = policy.choose(self.query_protocols(), None, self.server.name)
            if protocol == QueryProtocol.C_FIND:
                patient_level = self.server.patient_root_find_support
                finder = self._dimse_connector()
            else:
                patient_level = False
                finder = self._web_connector()
            self._searcher = Searcher(
                self.server,
                finder,
                patient_level=patient_level,
                network_timeout=self._local.network_timeout,
                longest_uid_list=LONGEST[protocol],
            )
        return self._searcher

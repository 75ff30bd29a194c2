"""All that is done with a server over DIMSE, on associations that are used again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..attributes import Attributes
from ..cancel import CancelToken
from ..commitment import STORAGE_COMMITMENT_CLASS, CommitmentReport, ReportStream
from ..config import LocalConfig, ServerConfig
from ..contexts import Context, get_context_batches, query_contexts
from ..errors import PermanentDicomError
from ..instance import DicomInstance
from ..outcomes import StoreOutcome
from ..query import Level, Query, request_keys
from .commitment import commit
from .find import VERIFICATION, echo, find
from .get import get
from .move import move
from .pool import AssociationPool
from .progress import ProgressClock, RetrieveReport
from .sending import Sender

# PS3.4 C.6.1.3 and C.6.2.3.
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
# Abstract syntax not supported (PS3.8 Table 9-18).
_UNKNOWN_CLASS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to retrieve: a study, a series of it, or some instances of a series."""

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uids: tuple[str, ...] = ()

    def keys(self, *, patient_root: bool) -> dict[str, str]:
        """The Identifier: the unique keys down to the level, and nothing else (PS3.4 C.4.2.2.1)."""
        keys = {"PatientID": self.patient_id} if patient_root else {}
        keys["StudyInstanceUID"] = self.study_instance_uid
        level = "STUDY"
        if self.series_instance_uid:
            level = "SERIES"
            keys["SeriesInstanceUID"] = self.series_instance_uid
        if self.sop_instance_uids:
            level = "IMAGE"
            keys["SOPInstanceUID"] = "\\".join(self.sop_instance_uids)
        return {"QueryRetrieveLevel": level, **keys}


class DimseConnector:
    """Speaks DIMSE with one server. Generators hold an association while they run."""

    def __init__(
        self,
        server: ServerConfig,
        local: LocalConfig,
        cancel: CancelToken,
        spill_folder: Path | None = None,
        *,
        wait: bool = True,
    ) -> None:
        """Creates a connector; nothing is opened yet.

        Args:
            wait: Whether to wait for a place at a busy server; without it that is an error.
        """
        self.server = server
        self.local = local = local.for_server(server)
        self._spill_folder = spill_folder
        self._pool = AssociationPool(server, local, cancel, wait=wait)
        self._offered: set[str] = set()
        self._rejected: dict[str, set[int]] = {}

    def close(self) -> None:
        """Releases the associations."""
        self._pool.close()

    def release_idle(self) -> None:
        """Releases the associations that are only kept for the next request."""
        self._pool.release_idle()

    def echo(self) -> None:
        """Verifies that the server answers (C-ECHO).

        Raises:
            DicomError: If it does not.
        """
        with self._pool.lend(self._query_contexts()) as association:
            echo(association)

    def find(
        self, query: Query, level: Level, on_warning: Callable[[], None] = lambda: None
    ) -> Iterator[Attributes]:
        """Asks with C-FIND; see `find.find`. PATIENT level needs the Patient Root model."""
        patient_root = level == "PATIENT" or not self.server.study_root_find_support
        if patient_root and not self.server.patient_root_find_support:
            raise self._unsupported()
        model = PATIENT_ROOT_FIND if patient_root else STUDY_ROOT_FIND
        keys = {
            "QueryRetrieveLevel": level,
            **request_keys(query, level, patient_root=patient_root),
        }
        contexts = self._query_contexts()
        association = self._pool.take(contexts)
        try:
            yield from find(association, model, keys, on_warning)
        except GeneratorExit:
            # The C-FIND was canceled in order; what had to be aborted is closed and not kept.
            self._pool.give_back(contexts, association)
            raise
        except BaseException:
            self._pool.drop(association)
            raise
        self._pool.give_back(contexts, association)

    def get_batches(
        self, sop_classes: Collection[str], pairs: Collection[tuple[str, str]] = ()
    ) -> list[tuple[Context, ...]]:
        """The sets of contexts for C-GET of a study that holds `sop_classes`, or `pairs` of class
        and transfer syntax."""
        return get_context_batches(self._get_model(), sop_classes, pairs)

    def get(
        self, scope: Scope, contexts: tuple[Context, ...], report: RetrieveReport
    ) -> Iterator[DicomInstance]:
        """Retrieves with C-GET; see `get.get`."""
        model = self._get_model()
        keys = scope.keys(patient_root=model == PATIENT_ROOT_GET)
        with self._pool.lend(contexts) as association:
            self._offered.update(association.agreement.by_class)
            for context, reason in association.agreement.rejected.items():
                self._rejected.setdefault(context.abstract_syntax, set()).add(reason)
            yield from get(association, model, keys, report, self._spill_folder)

    @property
    def refused_classes(self) -> set[str]:
        """The SOP classes of which the server has accepted no context for C-GET so far."""
        return self._rejected.keys() - self._offered

    @property
    def unknown_classes(self) -> set[str]:
        """Those that it says not to know, in whichever transfer syntax (PS3.8 9.3.3.2)."""
        return {uid for uid in self.refused_classes if _UNKNOWN_CLASS in self._rejected[uid]}

    def move(
        self,
        scope: Scope,
        destination_ae_title: str,
        message_id: int,
        report: RetrieveReport,
        clock: ProgressClock,
        arrived: Callable[[], int] = lambda: 0,
    ) -> None:
        """Lets the server send to `destination_ae_title`; see `move.move`."""
        if self.server.study_root_move_support:
            model = STUDY_ROOT_MOVE
        elif self.server.patient_root_move_support:
            model = PATIENT_ROOT_MOVE
        else:
            raise self._unsupported()
        keys: Mapping[str, str] = scope.keys(patient_root=model == PATIENT_ROOT_MOVE)
        with self._pool.lend(query_contexts([model])) as association:
            move(association, model, keys, destination_ae_title, message_id, report, clock, arrived)

    def store(self, instances: Iterable[DicomInstance]) -> Generator[StoreOutcome, None, None]:
        """Sends with C-STORE; see `sending.Sender`."""
        most = min(self.local.store_associations, self.server.max_associations)
        return Sender(self._pool, self.server.name, most).send_all(instances)

    def commit(
        self,
        transaction_uid: str,
        references: Sequence[tuple[str, str]],
        reports: ReportStream | None,
        patience: float,
    ) -> CommitmentReport | None:
        """Asks for storage commitment; see `commitment.commit`."""
        with self._pool.lend(query_contexts([STORAGE_COMMITMENT_CLASS])) as association:
            return commit(association, transaction_uid, references, reports, patience)

    def _get_model(self) -> str:
        if self.server.study_root_get_support:
            return STUDY_ROOT_GET
        if self.server.patient_root_get_support:
            return PATIENT_ROOT_GET
        raise self._unsupported()

    def _query_contexts(self) -> tuple[Context, ...]:
        models = [VERIFICATION]
        if self.server.study_root_find_support:
            models.append(STUDY_ROOT_FIND)
        if self.server.patient_root_find_support:
            models.append(PATIENT_ROOT_FIND)
        return query_contexts(models)

    def _unsupported(self) -> PermanentDicomError:
        return PermanentDicomError(
            f"{self.server.name} is not set up for this operation.",
            code="unsupported",
            advice="Check which operations are switched on for this server.",
        )

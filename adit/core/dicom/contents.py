"""What a server says that a study holds, as far as a retrieval needs to know beforehand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from .errors import DicomError
from .query import Query
from .results import InstanceResult, ResultStream, StudyResult
from .retrieval import Want

_T = TypeVar("_T")


class Asker(Protocol):
    """Asks the server."""

    def find_studies(
        self, query: Query, *, limit: int | None = None
    ) -> ResultStream[StudyResult]: ...

    def find_instances(
        self, query: Query, *, limit: int | None = None
    ) -> ResultStream[InstanceResult]: ...

    def rest(self) -> None: ...


class Contents:
    """Remembers what studies and series hold, and asks for what it does not know.

    All of it helps and none of it is needed: where the server does not answer, nothing is known.
    """

    def __init__(self) -> None:
        self._sop_classes: dict[str, tuple[str, ...]] = {}
        self._pairs: dict[str, frozenset[tuple[str, str]]] = {}
        self._series_sizes: dict[str, int] = {}
        # Of one series only: there can be very many instances.
        self._class_of: tuple[str, dict[str, str]] = "", {}

    def note_sop_classes(self, study_instance_uid: str, sop_classes: tuple[str, ...]) -> None:
        """Remembers the SOP Classes of a study."""
        self._sop_classes[study_instance_uid] = sop_classes

    def note_instances(self, query: Query, results: ResultStream[InstanceResult]) -> None:
        """Remembers how many instances a series has, when all of them were listed."""
        uid = query.series_instance_uid
        if isinstance(uid, str) and uid and not results.truncated and query == _whole(query, uid):
            self._series_sizes[uid] = results.count

    def size_of(self, series_instance_uid: str) -> int | None:
        """How many instances a series has, None where it is not known."""
        return self._series_sizes.get(series_instance_uid)

    def sop_classes_of(self, want: Want, asker: Asker) -> tuple[str, ...]:
        """What the study (or, if it does not tell, the series) holds; empty if nobody tells."""
        uid = want.study_instance_uid
        if uid not in self._sop_classes:
            query = Query(patient_id=want.patient_id, study_instance_uid=uid)
            studies = _quietly(asker, lambda: list(asker.find_studies(query, limit=1))) or []
            self._sop_classes[uid] = studies[0].sop_classes_in_study if studies else ()
        if self._sop_classes[uid]:
            return self._sop_classes[uid]
        instances = self._instances_of(want, asker)
        return tuple(sorted({i.sop_class_uid for i in instances if i.sop_class_uid}))

    def pairs_of(self, want: Want, asker: Asker | None) -> frozenset[tuple[str, str]]:
        """SOP class and transfer syntax of what the series holds, as far as the server tells it, or
        has told it where `asker` is None."""
        uid = want.series_instance_uid
        if asker is not None and (uid not in self._pairs or self._class_of[0] != uid):
            self._instances_of(want, asker)
        return self._pairs.get(uid, frozenset())

    def class_of(self, want: Want) -> Mapping[str, str]:
        """SOP Class UID by SOP Instance UID, where the instances of the series are those that were
        last asked for; empty otherwise."""
        series_uid, found = self._class_of
        return found if series_uid == want.series_instance_uid else {}

    def _instances_of(self, want: Want, asker: Asker) -> list[InstanceResult]:
        query = replace(_series_of(want), only_uids=False)
        instances = _quietly(asker, lambda: list(asker.find_instances(query))) or []
        self._class_of = (
            want.series_instance_uid,
            {
                one.sop_instance_uid: sys.intern(one.sop_class_uid)
                for one in instances
                if one.sop_class_uid
            },
        )
        # PS3.4 C.3.4: in which it can send each instance.
        self._pairs[want.series_instance_uid] = frozenset(
            (instance.sop_class_uid, uid.strip(" \0"))
            for instance in instances
            if instance.sop_class_uid
            for uid in instance.transfer_syntax_uids
        )
        return instances

    def list_instances(self, want: Want, asker: Asker) -> list[str] | None:
        """The UIDs of a series' instances, or None where the server cannot list all of them."""

        def ask() -> list[str] | None:
            results = asker.find_instances(_series_of(want))
            uids = [instance.sop_instance_uid for instance in results]
            # A part would be taken for the whole, and the retrieval for complete.
            return None if results.truncated else uids

        return _quietly(asker, ask)


def _series_of(want: Want) -> Query:
    return Query(
        patient_id=want.patient_id,
        study_instance_uid=want.study_instance_uid,
        series_instance_uid=want.series_instance_uid,
        only_uids=True,
    )


def _whole(query: Query, series_instance_uid: str) -> Query:
    """The query for all instances of a series."""
    return Query(
        patient_id=query.patient_id,
        study_instance_uid=query.study_instance_uid,
        series_instance_uid=series_instance_uid,
        only_uids=query.only_uids,
    )


def _quietly(asker: Asker, ask: Callable[[], _T]) -> _T | None:
    """The answer, None if the server fails.

    The association is not kept: the retrieval needs the next one.
    """
    try:
        return ask()
    except DicomError:
        return None
    finally:
        asker.rest()

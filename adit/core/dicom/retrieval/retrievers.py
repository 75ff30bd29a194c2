"""How each protocol brings the instances of a series."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from ..dicomweb import DicomWebConnector
from ..errors import DicomError
from ..instance import DicomInstance
from .getting import GetRetriever
from .moving import MoveRetriever
from .want import FEW_ONE_BY_ONE, Want

# It is not there, or not as a DICOM file, or not all of it came, or the server stumbles over it;
# the others may be there.
_OF_ONE_INSTANCE = frozenset({"HTTP 404", "HTTP 410", "HTTP 500", "protocol", "HTTP 206"})

__all__ = ["GetRetriever", "MoveRetriever", "Retriever", "WadoRetriever"]


class Retriever(Protocol):
    """Brings instances; may bring others, or some twice, or not all: that is checked elsewhere."""

    @property
    def of_all(self) -> Collection[str]:
        """Codes of failures that, asked for in this way, say of the next series what they say of
        this one; beside those that always do."""
        ...

    def retrieve(self, want: Want, received: Collection[str]) -> Iterator[DicomInstance]:
        """Yields what comes; `received` holds the UIDs of those that were good, and grows."""
        ...


class WadoRetriever:
    """WADO-RS: the series in one answer, or the few instances that are wanted one by one."""

    of_all = ()

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

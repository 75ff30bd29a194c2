"""All that is done with a server over DICOMweb."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

from ..attributes import Attributes
from ..cancel import CancelToken
from ..config import LocalConfig, ServerConfig
from ..instance import DicomInstance
from ..outcomes import StoreOutcome
from ..query import Level, Query
from . import qido, stow, wado
from .bodies import read_whole
from .client import DicomWebClient


class DicomWebConnector:
    """Speaks QIDO-RS, WADO-RS and STOW-RS with one server."""

    def __init__(
        self,
        server: ServerConfig,
        local: LocalConfig,
        cancel: CancelToken,
        spill_folder: Path | None = None,
    ) -> None:
        self._client = DicomWebClient(server, local, cancel)
        self._local = local
        self._spill_folder = spill_folder

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def ping(self) -> None:
        """Asks for one study at most.

        Raises:
            DicomError: If the server does not answer.
        """
        url = self._client.url(self._client.server.dicomweb_qido_prefix, "studies")
        with self._client.stream(
            "GET", url, accept="application/dicom+json", params={"limit": "1"}
        ) as response:
            read_whole(response, self._local.network_timeout, self._client.server.name)

    def find(
        self, query: Query, level: Level, on_warning: Callable[[], None] = lambda: None
    ) -> Iterator[Attributes]:
        """Asks with QIDO-RS; see `qido.search`."""
        return qido.search(self._client, query, level, on_warning)

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str = "", sop_instance_uid: str = ""
    ) -> Iterator[DicomInstance]:
        """Retrieves a study, a series or an instance with WADO-RS; see `wado.retrieve`."""
        path = f"studies/{study_instance_uid}"
        if series_instance_uid:
            path += f"/series/{series_instance_uid}"
        if sop_instance_uid:
            path += f"/instances/{sop_instance_uid}"
        return wado.retrieve(self._client, path, self._spill_folder, self._local.spill_threshold)

    def store(self, instances: Iterable[DicomInstance]) -> Generator[StoreOutcome, None, None]:
        """Sends with STOW-RS; see `stow.store`."""
        most = min(self._local.stow_requests, self._client.server.max_associations)
        return stow.store(self._client, instances, most)

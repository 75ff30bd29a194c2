"""A C-STORE SCP in the test's own process that hands over what it gets, as the receivers do."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Collection, Iterator
from typing import Any

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, evt

from adit.core.dicom import DicomInstance, tuning_handlers
from adit.core.dicom.contexts import STORAGE_CLASSES


class TestIncoming:
    """Implements IncomingInstances; `expected` keeps what was announced."""

    __test__ = False
    doubles = 0

    def __init__(self, ae_title: str, port: int) -> None:
        self.expected: list[dict[str, object]] = []
        self._queue: queue.Queue[DicomInstance] = queue.Queue()
        self._ae = AE(ae_title)
        for sop_class in STORAGE_CLASSES:
            self._ae.add_supported_context(sop_class, AllTransferSyntaxes)
        handlers = [(evt.EVT_C_STORE, self._store), *tuning_handlers()]
        self._server: Any = self._ae.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=handlers
        )

    def _store(self, event: evt.Event) -> int:
        request: Any = event.request
        self.put(
            DicomInstance(
                str(request.AffectedSOPClassUID),
                str(request.AffectedSOPInstanceUID),
                str(event.context.transfer_syntax),
                request.DataSet.getvalue(),
            )
        )
        return 0

    def put(self, instance: DicomInstance) -> None:
        self._queue.put(instance)

    @contextlib.contextmanager
    def expect(
        self,
        *,
        study_instance_uid: str,
        series_instance_uids: Collection[str] | None,
        sop_instance_uids: Collection[str] | None,
        message_id: int,
        calling_ae_title: str,
    ) -> Iterator[TestIncoming]:
        self.expected.append(
            {
                "study": study_instance_uid,
                "series": series_instance_uids,
                "instances": sop_instance_uids,
                "message_id": message_id,
                "calling": calling_ae_title,
            }
        )
        yield self

    def destination(self) -> str:
        return ""

    def take(self, timeout: float) -> DicomInstance | None:
        with contextlib.suppress(queue.Empty):
            return self._queue.get(timeout=timeout)
        return None

    def close(self) -> None:
        self._server.shutdown()

"""A C-STORE SCP in the test's own process that hands over what it gets, as the receivers do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, evt

from adit.core.dicom import DicomInstance, MalformedDataSet, tuning_handlers
from adit.core.dicom.contexts import STORAGE_CLASSES


class TestIncoming:
    """Implements IncomingInstances; `expected` keeps what was announced."""

    __test__ = False

    def __init__(self, ae_title: str, port: int) -> None:
        self.expected: list[dict[str, object]] = []
        self.arrived: list[DicomInstance] = []
        self.changed = threading.Condition()
        self.open: list[TestStream] = []
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
        with self.changed:
            self.arrived.append(instance)
            self.changed.notify_all()

    @contextlib.contextmanager
    def expect(
        self,
        *,
        study_instance_uid: str,
        series_instance_uids: Collection[str] | None,
        sop_instance_uids: Collection[str] | None,
        message_id: int,
        calling_ae_title: str,
        **_about_the_sender: object,
    ) -> Iterator[TestStream]:
        self.expected.append(
            {
                "study": study_instance_uid,
                "series": series_instance_uids,
                "instances": sop_instance_uids,
                "message_id": message_id,
                "calling": calling_ae_title,
            }
        )
        stream = TestStream(self, study_instance_uid, series_instance_uids)
        with self.changed:
            self.open.append(stream)
        try:
            yield stream
        finally:
            with self.changed:
                self.open.remove(stream)
                self.changed.notify_all()

    def close(self) -> None:
        self._server.shutdown()


@dataclass(eq=False)
class TestStream:
    """Takes what belongs to its C-MOVE, and what belongs to none."""

    __test__ = False
    incoming: TestIncoming
    study: str
    series: Collection[str] | None
    doubles: int = 0
    conflicting: set[str] = field(default_factory=set)
    strangers: dict[str, str] = field(default_factory=dict)

    def destination(self) -> str:
        return ""

    def take(self, timeout: float) -> DicomInstance | None:
        def first() -> DicomInstance | None:
            return next(filter(self._is_ours, self.incoming.arrived), None)

        with self.incoming.changed:
            instance = self.incoming.changed.wait_for(first, timeout)
            if instance is not None:
                self.incoming.arrived.remove(instance)
            return instance

    def _is_ours(self, instance: DicomInstance) -> bool:
        others = [stream for stream in self.incoming.open if stream is not self]
        return self._is_meant(instance) or not any(one._is_meant(instance) for one in others)

    def _is_meant(self, instance: DicomInstance) -> bool:
        try:
            found = instance.identifiers()
        except MalformedDataSet:
            return False
        meant = self.series is None or found.series_instance_uid in self.series
        return found.study_instance_uid == self.study and meant

"""An acceptor of N-EVENT-REPORT in the test's own process, as the receivers are."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from typing import Any

from pynetdicom import AE, evt

from adit.core.dicom import CommitmentReport, read_report, tuning_handlers
from adit.core.dicom.commitment import STORAGE_COMMITMENT_CLASS


class TestReports:
    """Implements CommitmentReports and the ReportStream of its one transaction."""

    __test__ = False

    def __init__(self, ae_title: str, port: int = 0) -> None:
        self.expected: list[str] = []
        self._queue: queue.Queue[CommitmentReport] = queue.Queue()
        ae = AE(ae_title)
        ae.add_supported_context(STORAGE_COMMITMENT_CLASS, scu_role=True, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._take_event), *tuning_handlers()]
        self._server: Any = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self.port = self._server.server_address[1]

    def _take_event(self, event: evt.Event) -> tuple[int, None]:
        request: Any = event.request
        data = request.EventInformation.getvalue()
        self._queue.put(read_report(data, str(event.context.transfer_syntax)))
        return 0, None

    @contextlib.contextmanager
    def expect(self, transaction_uid: str) -> Iterator[TestReports]:
        self.expected.append(transaction_uid)
        yield self

    def take(self, timeout: float) -> CommitmentReport | None:
        with contextlib.suppress(queue.Empty):
            report = self._queue.get(timeout=timeout)
            if report.transaction_uid == self.expected[-1]:
                return report
        return None

    def close(self) -> None:
        self._server.shutdown()

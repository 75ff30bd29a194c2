"""Storage commitment as proof of delivery: the server takes responsibility (PS3.4 Annex J)."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from adit.core.dicom import DicomInstance, DicomOperator, TransientDicomError
from adit.core.dicom.commitment import CommitmentReport
from adit.core.receiver.commitments import wait_for_report


class CommitmentWay:
    """Asks a server to commit itself to what it has just taken.

    It names SOP classes, so only what this run has sent can be asked for; and a patient is not
    named at all, so where others may have sent equal UIDs a query comes first.

    Args:
        patience: seconds to wait for each report.
    """

    def __init__(self, operator: DicomOperator, patience: float) -> None:
        self._operator = operator
        self._patience = patience
        self._classes: dict[str, str] = {}

    @property
    def words(self) -> str:
        return f"committed to by {self._operator.server.name} (storage commitment)"

    def accepted(self, instance: DicomInstance) -> None:
        self._classes[instance.sop_instance_uid] = instance.sop_class_uid

    def held(self, study_uid: str, series_uid: str, wanted: Collection[str]) -> set[str]:
        known = [(self._classes[uid], uid) for uid in sorted(wanted) if uid in self._classes]
        if not known:
            return set()
        result = self._operator.commit(known, patience=self._patience)
        if result.error is not None and not result.committed:
            raise result.error
        return set(result.committed)

    def rest(self) -> None:
        self._operator.close()


class ReceivedReports:
    """The reports that receivers get; `adit.core.dicom.CommitmentReports` on PostgreSQL."""

    @contextlib.contextmanager
    def expect(self, transaction_uid: str) -> Iterator[_Reports]:
        yield _Reports(transaction_uid)


class _Reports:
    def __init__(self, transaction_uid: str) -> None:
        self._transaction_uid = transaction_uid

    def take(self, timeout: float) -> CommitmentReport | None:
        found = wait_for_report(self._transaction_uid, timeout)
        if found is None:
            return None
        try:
            failed = {str(uid): int(reason) for uid, reason in found.failed.items()}
        except (TypeError, ValueError) as error:
            raise TransientDicomError("A report cannot be read.", code="protocol") from error
        return CommitmentReport(
            transaction_uid=found.transaction_uid,
            committed=frozenset(found.committed) - failed.keys(),
            failed=failed,
        )

"""Storage commitment as proof of delivery: the server takes responsibility (PS3.4 Annex J)."""

from __future__ import annotations

from collections.abc import Collection

from adit.core.dicom import DicomInstance, DicomOperator


class CommitmentWay:
    """Asks a server to commit itself to what it has just taken.

    It names SOP classes, so only what this run has sent can be asked for; and it names no patient,
    so it says nothing of whose instances of these UIDs the server has. Where a server can be
    queried, that is asked instead.

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

"""What is wanted of a series."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..dimse import Scope

# Up to this number instances are asked for by name (PS3.4 C.4.3.1.3.1), more by their series.
FEW = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Instances of one series; `sop_instance_uids` None means all that the server has."""

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uids: frozenset[str] | None = None

    def scope(self, sop_instance_uids: Collection[str] = ()) -> Scope:
        """The series, or some of its instances."""
        return Scope(
            patient_id=self.patient_id,
            study_instance_uid=self.study_instance_uid,
            series_instance_uid=self.series_instance_uid,
            sop_instance_uids=tuple(sorted(sop_instance_uids)),
        )

    def missing(self, received: Collection[str]) -> frozenset[str]:
        """Which of the wanted instances were not received; empty where nobody can tell."""
        return (self.sop_instance_uids or frozenset()) - frozenset(received)

"""What is wanted of a series."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..dimse import Scope

# Up to this number instances are asked for by name, more by their series: in one request over DIMSE
# (PS3.4 C.4.3.1.3.1), in one request each over DICOMweb.
FEW_AT_ONCE = 64
FEW_ONE_BY_ONE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Instances of one series; `sop_instance_uids` None means all that the server has.

    `series_size` is how many instances the series has, where that is known.
    """

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uids: frozenset[str] | None = None
    series_size: int | None = None

    def by_name(self, few: int) -> bool:
        """Whether the wanted instances are so few of the series that they are asked for by name."""
        if self.sop_instance_uids is None or len(self.sop_instance_uids) > few:
            return False
        return self.series_size is None or 2 * len(self.sop_instance_uids) <= self.series_size

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

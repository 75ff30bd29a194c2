"""What is wanted of a series."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..dimse import Scope

# So many instances are asked for by name in one request over DIMSE (PS3.4 C.4.3.1.3.1). Over
# DICOMweb it is one request each; more are asked for by their series there.
FEW_AT_ONCE = 64
FEW_ONE_BY_ONE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Instances of one series; `sop_instance_uids` None means all that the server has.

    `series_size` is how many instances the series has, where that is known. `of_patient_only` says
    that the server has the study under several patients: what is another patient's is not wanted.
    """

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uids: frozenset[str] | None = None
    series_size: int | None = None
    of_patient_only: bool = False

    def by_name(self, few: int) -> bool:
        """Whether the wanted instances are a part of the series, so asked for by name.

        A retrieval that broke off and goes on with the whole series again would get the same first
        instances, and break off at the same place. `few` is the limit where the size of the series
        is not known.
        """
        if self.sop_instance_uids is None:
            return False
        if self.series_size is None:
            return len(self.sop_instance_uids) <= few
        return len(self.sop_instance_uids) < self.series_size

    def scope(self, sop_instance_uids: Collection[str] = ()) -> Scope:
        """The series, or some of its instances."""
        return Scope(
            patient_id=self.patient_id,
            study_instance_uid=self.study_instance_uid,
            series_instance_uid=self.series_instance_uid,
            sop_instance_uids=tuple(sorted(sop_instance_uids)),
        )

    def groups(self, uids: Collection[str]) -> list[tuple[str, ...]]:
        """Instances in groups that one request over DIMSE can name."""
        names = sorted(uids)
        return [
            tuple(names[start : start + FEW_AT_ONCE]) for start in range(0, len(names), FEW_AT_ONCE)
        ]

    def missing(self, received: Collection[str]) -> frozenset[str]:
        """Which of the wanted instances were not received; empty where nobody can tell."""
        return (self.sop_instance_uids or frozenset()) - frozenset(received)

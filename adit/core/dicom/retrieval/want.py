"""What is wanted of a series."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from ..dimse import Scope
from ..errors import DicomError, TransientDicomError

# So many instances are asked for by name in one request over DIMSE (PS3.4 C.4.3.1.3.1). Over
# DICOMweb it is one request each; more are asked for by their series there.
FEW_AT_ONCE = 64
FEW_ONE_BY_ONE = 16


_SHORT_LIST = "short list"


def short_list(server: str, missing: int) -> DicomError:
    """All that was listed came, and the server says that there are more."""
    return TransientDicomError(
        f"{server} has more instances in the series than it lists, and did not send {missing}.",
        code=_SHORT_LIST,
    )


def is_short_list(problem: DicomError | None) -> bool:
    """Whether it is that."""
    return problem is not None and problem.code == _SHORT_LIST


class Observer(Protocol):
    """Is told of what the instances do not show; called in the threads that fetch."""

    def list_is_short(self, series_uid: str) -> None:
        """The server counts more instances in a series than it lists, and did not send them."""
        ...

    def came_in_two_versions(self, source_uid: str, stranger: str = "") -> None:
        """Two contents came under one SOP Instance UID; the second one is kept elsewhere.

        `stranger`: the AE title of the sender of the first one, where that is no known sender of
        the server, and the second one is the server's own.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Instances of one series; `sop_instance_uids` None means all that the server has.

    `series_size` is how many instances the series has, where that is known. `of_patient_only` says
    that the server has the study under several patients: what is another patient's is not wanted.

    `listed` says that whoever wants it has to learn of all that comes, and what the server listed
    of the series. An instance of the series beyond the list shows that the list was short: it is
    handed over, too, and so is what comes twice. None: what was not asked for is dropped.
    `observer` is told what shows only otherwise.
    """

    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uids: frozenset[str] | None = None
    series_size: int | None = None
    of_patient_only: bool = False
    listed: frozenset[str] | None = None
    observer: Observer | None = field(default=None, compare=False)

    def is_surplus(self, uid: str) -> bool:
        """Whether an instance of the series shows that the server's list of it was short."""
        return (
            self.listed is not None
            and self.sop_instance_uids is not None
            and uid not in self.listed
            and uid not in self.sop_instance_uids
        )

    def is_short(self, number: int) -> bool:
        """Whether a series of so many instances shows that."""
        if self.listed is None or self.sop_instance_uids is None or self.of_patient_only:
            # What a server counts may be another patient's.
            return False
        return number > len(self.listed | self.sop_instance_uids)

    def by_name(self, few: int) -> bool:
        """Whether the wanted instances are a part of the series, so asked for by name.

        A retrieval that broke off and goes on with the whole series again would get the same first
        instances, and break off at the same place. `few` is the limit where the size of the series
        is not known.
        """
        if self.sop_instance_uids is None:
            return False
        if self.listed is not None and not self.of_patient_only:
            return not self.sop_instance_uids >= self.listed
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

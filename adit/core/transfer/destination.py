"""What the pipeline asks of a destination."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from adit.core.dicom import DicomError
from adit.core.models.records import InstanceRecord
from adit.core.transfer.items import Delivered, Outgoing


@dataclass(frozen=True)
class Proof:
    """What a destination has shown to hold.

    Attributes:
        uids: the SOP Instance UIDs at the destination.
        method: how that was shown, in words for the receipt.
        problem: what went wrong with the question, so that it may hold more; "" where nothing did.
    """

    uids: frozenset[str]
    method: str
    problem: str = ""


class DestinationAway(Exception):
    """The destination does not take anything now; another protocol at the source is no help."""

    def __init__(self, cause: DicomError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Destination(Protocol):
    """A server, a folder: takes instances and proves that it has them."""

    name: str

    def deliver(self, items: Iterable[Outgoing]) -> Iterator[Delivered]:
        """Take the items one after the other; each is answered exactly once."""
        ...

    def prove(
        self, study_uid: str, sent: Mapping[str, Sequence[InstanceRecord]], *, wait: bool
    ) -> Proof:
        """Show which of `sent` (records by series UID at the destination) are there.

        Without `wait` the destination is asked once; else it is given time to index what
        it has just taken.
        """
        ...

    def complete(self) -> None:
        """Called when something is proven and nothing more comes."""
        ...

    def unfinished(self) -> str:
        """Where what was delivered lies until the study is complete, relative to the destination;
        "" where that makes no difference."""
        ...

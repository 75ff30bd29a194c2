"""Delivers instances as DICOM files (PS3.10) to a folder or to the parts of an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from adit.core.models.records import InstanceRecord
from adit.core.transfer.destination import DestinationAway, Proof
from adit.core.transfer.items import Delivered, Outgoing
from adit.core.transfer.layout import SeriesFacts
from adit.core.transfer.names import safe_name
from adit.core.transfer.series_facts import facts_of
from adit.core.transfer.sink import QuotaExceeded, StudySink, in_words


def file_name(sop_instance_uid: str) -> str:
    """`<SOPInstanceUID>.dcm`."""
    return f"{safe_name(sop_instance_uid)}.dcm"


class InstanceDestination:
    """DICOM files in a sink.

    Args:
        confirmed: names the SOP Instance UIDs that the study consists of, and their series.
    """

    def __init__(self, sink: StudySink, confirmed: Callable[[], Mapping[str, str]]) -> None:
        self.name = sink.name
        self._sink = sink
        self._confirmed = confirmed
        self._facts: dict[str, SeriesFacts] = {}

    def deliver(self, items: Iterable[Outgoing]) -> Iterator[Delivered]:
        for item in items:
            try:
                self._put(item)
            except QuotaExceeded as err:
                raise DestinationAway(err) from err
            except OSError as err:
                yield Delivered(item, in_words(self.name, err))
            else:
                yield Delivered(item)

    def _put(self, item: Outgoing) -> None:
        facts = self._facts.get(item.series_uid)
        if facts is None:
            facts = self._facts[item.series_uid] = facts_of(item)
        instance = item.instance
        size = len(instance.file_meta()) + instance.size
        self._sink.put(facts, file_name(instance.sop_instance_uid), size, instance.write_part10)

    def prove(
        self, study_uid: str, sent: Mapping[str, Sequence[InstanceRecord]], *, wait: bool
    ) -> Proof:
        """Read every file back and compare its data set with the SHA-256 that was sent."""
        proven = {
            record.new_uid
            for records in sent.values()
            for record in records
            if self._sink.digest(file_name(record.new_uid), record.size) == record.sha256_sent
        }
        self._sink.sync()
        return Proof(frozenset(proven), self._sink.method)

    def complete(self) -> None:
        """Give the study its place."""
        self._sink.complete({file_name(uid): series for uid, series in self._confirmed().items()})

    def unfinished(self) -> str:
        return self._sink.unfinished()

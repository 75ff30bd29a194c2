"""Delivers NIfTI files: a series is converted when all of its instances are there.

The instances wait in the work folder of the run, de-identified, and go with it. A series is the
unit of everything: a volume that lacks a slice would be no volume, so a series of which an instance
is missing is not converted at all, and its instances are fetched again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from adit.core.dicom import (
    DicomError,
    DicomInstance,
    FileSlice,
    PermanentDicomError,
    TransientDicomError,
)
from adit.core.models.records import InstanceRecord
from adit.core.transfer.destination import DestinationAway, Proof
from adit.core.transfer.items import Delivered, Outgoing
from adit.core.transfer.layout import SeriesFacts
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.names import safe_name
from adit.core.transfer.nifti.conversion import STEM, Conversion, convert
from adit.core.transfer.nifti.pixels import has_pixels
from adit.core.transfer.run import Run
from adit.core.transfer.series_facts import facts_of
from adit.core.transfer.sink import QuotaExceeded, StudySink, in_words

_CHUNK = 1 << 20


@dataclass
class _Series:
    """The instances of a series that have arrived."""

    folder: Path
    facts: SeriesFacts
    items: list[Outgoing] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


class NiftiDestination:
    """NIfTI files in a sink.

    Args:
        warn: is told what the user should know although everything was converted.
    """

    def __init__(
        self, sink: StudySink, ledger: Ledger, run: Run, warn: Callable[[str], None]
    ) -> None:
        self.name = sink.name
        self._sink = sink
        self._ledger = ledger
        self._run = run
        self._warn = warn
        self._series: dict[str, _Series] = {}

    def deliver(self, items: Iterable[Outgoing]) -> Iterator[Delivered]:
        """Take all instances, then convert: a source that had to wait for a conversion in the
        middle would take the connection for dead."""
        self._forget()
        failure: DicomError | None = None
        try:
            yield from self._take(items)
        except DicomError as err:
            # What has arrived as a whole series is not lost.
            failure = err
        for uid in list(self._series):
            yield from self._finish(uid)
        if failure is not None:
            raise failure

    def _take(self, items: Iterable[Outgoing]) -> Iterator[Delivered]:
        for item in items:
            if not has_pixels(item.instance):
                yield Delivered(item, excluded="It has no pixels to convert to NIfTI.")
                continue
            try:
                self._keep(item)
            except OSError as err:
                yield Delivered(item, in_words("The worker's disk", err))

    def _forget(self) -> None:
        """An earlier protocol may have left half a series; all of it comes again."""
        for series in self._series.values():
            shutil.rmtree(series.folder, ignore_errors=True)
        self._series.clear()

    def _keep(self, item: Outgoing) -> None:
        uid = item.source_series_uid
        series = self._series.get(uid)
        if series is None:
            digest = hashlib.sha256(item.series_uid.encode()).hexdigest()[:16]
            folder = self._run.folder / f"nifti-{digest}"
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "in").mkdir(parents=True)
            series = self._series[uid] = _Series(folder, facts_of(item))
        instance = item.instance
        path = series.folder / "in" / f"{len(series.items):06}.dcm"
        instance.write_part10(path)
        piece = FileSlice(path, path.stat().st_size - instance.size, instance.size)
        instance.discard()
        item.instance = DicomInstance(
            instance.sop_class_uid,
            instance.sop_instance_uid,
            instance.transfer_syntax_uid,
            piece,
        )
        series.items.append(item)

    def _finish(self, uid: str) -> Iterator[Delivered]:
        """Convert a series if it is whole; say why it is not."""
        series = self._series[uid]
        missing, lost = self._ledger.absent(uid, {item.source_uid for item in series.items})
        error, note = self._convert(uid, series) if not missing else (_absence(missing, lost), "")
        del self._series[uid]
        for item in series.items:
            yield Delivered(item, error, note)
        shutil.rmtree(series.folder, ignore_errors=True)

    def _convert(self, uid: str, series: _Series) -> tuple[DicomError | None, str]:
        number = series.facts.number or "without number"
        self._run.progress(now=True, phase="converting")
        try:
            made = convert(
                series.folder / "in", series.folder / "out", series.size, self._run.cancel
            )
            files = self._put(series.facts, made)
        except QuotaExceeded as err:
            raise DestinationAway(err) from err
        except OSError as err:
            return in_words(self.name, err), ""
        except DicomError as err:
            return err, ""
        self._ledger.converted(uid, files)
        self._run.event(
            f"Series {number}: {len(series.items)} instances became {made.images} NIfTI files."
        )
        if made.warning:
            self._warn(f"Series {number}: {made.warning}")
        return None, made.warning

    def _put(self, facts: SeriesFacts, made: Conversion) -> list[dict[str, object]]:
        stem = safe_name(
            "-".join(filter(None, (facts.number or "none", facts.description.strip())))
        )
        stem += f"-{safe_name(facts.series_uid[-8:])}"
        files = []
        for path in made.files:
            name = stem + path.name.removeprefix(STEM)
            digest = hashlib.sha256()
            with path.open("rb") as source:

                def write(
                    target: BinaryIO,
                    source: BinaryIO = source,
                    add: Callable[[bytes], None] = digest.update,
                ) -> None:
                    while chunk := source.read(_CHUNK):
                        add(chunk)
                        target.write(chunk)

                size = path.stat().st_size
                self._sink.put(facts, name, size, write)
            files.append({"name": name, "size": size, "sha256": digest.hexdigest()})
        return files

    def prove(
        self, study_uid: str, sent: Mapping[str, Sequence[InstanceRecord]], *, wait: bool
    ) -> Proof:
        """Read the files of each series back: its instances are there if all of them are."""
        proven: set[str] = set()
        for series_uid, records in sent.items():
            files = self._ledger.files_of(series_uid)
            if files and all(
                self._sink.digest(file["name"], file["size"]) == file["sha256"] for file in files
            ):
                proven |= {record.new_uid for record in records}
        self._sink.sync()
        return Proof(frozenset(proven), f"converted to NIfTI, {self._sink.method}")

    def complete(self) -> None:
        self._sink.complete(
            {
                file["name"]: series.new_series_instance_uid
                for series in self._ledger.series
                for file in series.files
            }
        )

    def unfinished(self) -> str:
        return self._sink.unfinished()


def _absence(missing: int, lost: int) -> DicomError:
    noun = "instance is" if missing == 1 else "instances are"
    text = f"{missing} {noun} missing in the series, which is converted as a whole."
    return PermanentDicomError(text) if lost else TransientDicomError(text)

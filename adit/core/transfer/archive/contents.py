"""What goes into an archive: the confirmed files of each task, from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adit.core.models import SeriesTransfer, TransferTask
from adit.core.models.records import InstanceState, decode_records
from adit.core.transfer.archive.parts import PartReader, part_name
from adit.core.transfer.instance_destination import file_name
from adit.core.transfer.layout import SeriesFacts, series_names, study_name, study_names
from adit.core.transfer.names import own_name


@dataclass(frozen=True, kw_only=True)
class ArchivedFile:
    """One file of the archive.

    Attributes:
        part: where its part lies.
        path: its name in the archive.
        tail: so many of its last bytes have the SHA-256 `sha256`.
        sop_instance_uid: "" for a NIfTI file, which stands for its series.
    """

    part: Path
    path: str
    tail: int
    sha256: str
    series_uid: str
    sop_instance_uid: str = ""


@dataclass(kw_only=True)
class ArchivedStudy:
    """One study of the archive, that is one task of the job."""

    path: str
    study_uid: str
    wanted: int
    confirmed: int
    series: dict[int, str]


class Contents:
    """The files of all tasks of a job in a stable order.

    Args:
        folder: gives the folder with the parts of a task.
        series_folders: whether each series gets a folder of its own.
    """

    def __init__(self, folder: Path, key: bytes, *, series_folders: bool) -> None:
        self._folder = folder
        self._key = key
        self._series_folders = series_folders
        self._taken: set[str] = set()

    def study(self, task: TransferTask) -> ArchivedStudy | None:
        """The study of a task, named by the rule of folders; None where nothing is confirmed.

        Raises:
            DamagedPart: a part that must be there is not.
        """
        rows = SeriesTransfer.objects.filter(task_id=task.pk)
        facts: dict[int, SeriesFacts] = {}
        modalities: set[str] = set()
        wanted = confirmed = 0
        for row in rows.iterator(chunk_size=20):
            wanted += row.expected - row.excluded
            confirmed += row.confirmed
            name = next(_names(row), None)
            if name is None:
                continue
            with PartReader(self._part(task, name[0]), self._key) as part:
                facts[row.pk] = part.head.series
            modalities.add(row.modality)
        if not facts:
            return None
        first = min(facts.values(), key=lambda one: one.series_uid)
        parent = own_name(task.pseudonym or task.patient_id)
        base = study_name(first.study_date, first.study_time, modalities)
        for name in study_names(base, first.study_uid):
            path = f"{parent}/{name}"
            if path.casefold() not in self._taken:
                break
        self._taken.add(path.casefold())
        by_uid = series_names({one.series_uid: one for one in facts.values()}.values())
        return ArchivedStudy(
            path=path,
            study_uid=first.study_uid,
            wanted=wanted,
            confirmed=confirmed,
            series={pk: by_uid[one.series_uid] for pk, one in facts.items()},
        )

    def files(self, task: TransferTask, study: ArchivedStudy) -> Iterator[ArchivedFile]:
        """The files of a study."""
        rows = SeriesTransfer.objects.filter(pk__in=study.series).order_by("series_number", "id")
        for row in rows.iterator(chunk_size=20):
            folder = study.path
            if self._series_folders:
                folder += f"/{study.series[row.pk]}"
            for name, tail, sha256, uid in _names(row):
                yield ArchivedFile(
                    part=self._part(task, name),
                    path=f"{folder}/{name}",
                    tail=tail,
                    sha256=sha256,
                    series_uid=row.new_series_instance_uid,
                    sop_instance_uid=uid,
                )

    def _part(self, task: TransferTask, name: str) -> Path:
        return self._folder / str(task.pk) / part_name(self._key, name)


def _names(row: SeriesTransfer) -> Iterator[tuple[str, int, str, str]]:
    """Name, bytes that are hashed, SHA-256 and SOP Instance UID of what is confirmed."""
    if row.files:
        if row.confirmed:
            yield from ((f["name"], f["size"], f["sha256"], "") for f in row.files)
        return
    for record in decode_records(row.instances):
        if record.state is InstanceState.CONFIRMED:
            yield file_name(record.new_uid), record.size, record.sha256_sent, record.new_uid

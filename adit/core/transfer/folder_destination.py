"""Delivers to a folder: staged beside its place, renamed when the study is whole.

The layout is `<folder>/<job>/<pseudonym or patient id>/<date>-<time>-<modalities>/<series>/<SOP
Instance UID>.dcm`. Until every instance is proven the study lies in a folder whose name ends in
`.incomplete`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from adit.core.dicom import PermanentDicomError, TransientDicomError
from adit.core.transfer.destination import Proof
from adit.core.transfer.items import Delivered, Outgoing
from adit.core.transfer.names import safe_name
from adit.core.transfer.records import InstanceRecord

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class StudyFolder:
    """Where a study goes.

    Attributes:
        parent: `<folder>/<job>/<pseudonym or patient id>`.
        study_uid: Study Instance UID at the destination; keeps folders of two studies apart.
        modalities: of the series that are transferred.
        series_folders: whether each series gets a folder of its own.
        shared_numbers: series numbers that several series of the study have.
        final: where the study was put before, if it was (relative to the destination).
    """

    parent: Path
    study_uid: str
    modalities: Sequence[str]
    series_folders: bool = True
    shared_numbers: frozenset[int | None] = frozenset()
    final: str = ""


class FolderDestination:
    """A folder as destination.

    Args:
        root: the destination's folder.
        place: where the study goes below it.
        remember: is told the final place, relative to `root`, before the folder is renamed.
    """

    def __init__(
        self, name: str, root: Path, place: StudyFolder, remember: Callable[[str], None]
    ) -> None:
        self.name = name
        self._root = root
        self._place = place
        self._remember = remember
        self._series: dict[str, str] = {}

    @property
    def staging(self) -> Path:
        digest = hashlib.sha256(self._place.study_uid.encode()).hexdigest()[:12]
        return self._root / self._place.parent / f"study-{digest}.incomplete"

    def deliver(self, items: Iterable[Outgoing]) -> Iterator[Delivered]:
        for item in items:
            try:
                self._write(item)
            except OSError as err:
                yield Delivered(item, self._error(err))
            else:
                yield Delivered(item)

    def _error(self, err: OSError) -> PermanentDicomError | TransientDicomError:
        if err.errno in _NO_SPACE:
            return TransientDicomError(
                f"{self.name} is full.", code="disk-full", advice="Make room and retry."
            )
        if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return PermanentDicomError(
                f"{self.name} cannot be written.",
                code="not-writable",
                advice="Give the worker the right to write to the folder.",
            )
        return TransientDicomError(f"{self.name}: {err.strerror}", code="os-error")

    def _write(self, item: Outgoing) -> None:
        folder = self.staging
        if self._place.series_folders:
            folder = folder / self._series_name(item)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{safe_name(item.instance.sop_instance_uid)}.dcm"
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            item.instance.write_part10(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _series_name(self, item: Outgoing) -> str:
        """`<SeriesNumber>-<SeriesDescription>`, as the instance that leaves says."""
        name = self._series.get(item.series_uid)
        if name is None:
            header = _header(item, "SeriesNumber", "SeriesDescription")
            number = header.get("SeriesNumber")
            parts = ["none" if number is None else str(number)]
            parts += [str(header.SeriesDescription)] if header.get("SeriesDescription") else []
            if number is None or int(number) in self._place.shared_numbers:
                parts.append(item.series_uid[-8:])
            name = self._series[item.series_uid] = safe_name("-".join(parts))
        return name

    def prove(
        self, study_uid: str, sent: Mapping[str, Sequence[InstanceRecord]], *, wait: bool
    ) -> Proof:
        """Read every file back and compare its data set with the SHA-256 that was sent."""
        base = self.staging
        if not base.is_dir() and self._place.final:
            base = self._root / self._place.final
        files = {path.stem: path for path in base.rglob("*.dcm")} if base.is_dir() else {}
        proven = {
            record.new_uid
            for records in sent.values()
            for record in records
            if (path := files.get(safe_name(record.new_uid)))
            and _data_set_digest(path, record.size) == record.sha256_sent
        }
        for folder in {path.parent for path in files.values()}:
            _sync_folder(folder)
        return Proof(frozenset(proven), "read back and compared by SHA-256")

    def complete(self) -> None:
        """Give the study its name."""
        staging = self.staging
        if not staging.is_dir():
            return
        for partial in staging.rglob("*.partial"):
            partial.unlink()
        parent = self._root / self._place.parent
        name = self._study_name(staging)
        suffix = hashlib.sha256(self._place.study_uid.encode()).hexdigest()[:8]
        for candidate in (name, f"{name}-{suffix}"):
            final = parent / candidate
            place = str(final.relative_to(self._root))
            replaced = final.with_name(f"{candidate}.replaced")
            if final.exists():
                if place != self._place.final:
                    continue
                # This task itself put the study there before it was restarted.
                final.rename(replaced)
            self._remember(place)
            try:
                staging.rename(final)
            except OSError as err:
                if err.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    continue
                raise
            shutil.rmtree(replaced, ignore_errors=True)
            _sync_folder(parent)
            return
        raise PermanentDicomError(
            f"{self.name} has a folder for this study already.",
            code="folder-exists",
            advice="Move the older folder away and retry.",
        )

    def _study_name(self, staging: Path) -> str:
        """`<StudyDate>-<StudyTime>-<modalities>`, as the delivered instances say."""
        first = min(staging.rglob("*.dcm"))
        header = dcmread(first, stop_before_pixels=True, specific_tags=["StudyDate", "StudyTime"])
        date = str(header.get("StudyDate") or "") or "nodate"
        time = str(header.get("StudyTime") or "").split(".")[0] or "notime"
        modalities = "-".join(sorted({m for m in self._place.modalities if m}))
        return safe_name("-".join(filter(None, (date, time, modalities))))


def _header(item: Outgoing, *keywords: str) -> Dataset:
    """Some elements of an instance that leaves."""
    uid = UID(item.instance.transfer_syntax_uid)
    with item.instance.open() as file:
        inflated = io.BytesIO(zlib.decompress(file.read(), -15)) if uid.is_deflated else file
        return read_dataset(
            inflated,
            uid.is_implicit_VR,
            uid.is_little_endian,
            stop_when=lambda tag, vr, length: tag > 0x00200011,
            specific_tags=[Tag(keyword) for keyword in (*keywords, "SpecificCharacterSet")],
        )


def _data_set_digest(path: Path, size: int) -> str:
    """SHA-256 of the data set of a Part 10 file, which fills the last `size` bytes of it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        if length <= size:
            return ""
        file.seek(length - size)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

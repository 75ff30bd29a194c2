"""A study in a folder: staged beside its place, renamed when it is whole.

While more may come, the study lies in `<parent>/study-<digest>.incomplete`, each series in a folder
that is named after a digest of its UID and holds its facts in a hidden file. Only when nothing
more comes are all names known that could clash; so they do not depend on the order of arrival. What
comes all the same, because a user asks again for what was refused, joins the study in its place.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from adit.core.dicom import PermanentDicomError
from adit.core.transfer.layout import SeriesFacts, series_names, study_name, study_names
from adit.core.transfer.sink import Space, Writer, charged, in_words

# The hidden file with the facts of a staged series.
FACTS = ".series"
_PARTIAL = ".partial"
_MOST_NAMES = 100


@dataclass(frozen=True, kw_only=True)
class StudyFolder:
    """Where a study goes.

    Attributes:
        parent: `<job>/<pseudonym or patient id>`, relative to the destination.
        study_uid: Study Instance UID at the destination; keeps folders of two studies apart.
        key: keeps two tasks with the same study apart.
        modalities: of the series that are transferred.
        series_folders: whether each series gets a folder of its own.
        final: where the study was put before, if it was (relative to the destination).
    """

    parent: Path
    study_uid: str
    key: str
    modalities: Collection[str]
    series_folders: bool = True
    final: str = ""


class FolderSink:
    """The study below a folder.

    Args:
        root: the destination's folder.
        place: where the study goes below it.
        claim: asks for a final place, relative to `root`, for this task alone; False where
            another task has it. Called before the folder is renamed.
        space: counts the bytes.
    """

    method = "read back and compared by SHA-256"

    def __init__(
        self,
        name: str,
        root: Path,
        place: StudyFolder,
        claim: Callable[[str], bool],
        space: Space | None = None,
    ) -> None:
        self.name = name
        self._root = root
        self._place = place
        self._claim = claim
        self._space = space
        self._known: set[Path] = set()
        self._files: dict[str, Path] | None = None
        # After which the study is named; none where all of it was placed before.
        self._facts: SeriesFacts | None = None

    @property
    def staging(self) -> Path:
        """The folder of the study while it is not whole."""
        digest = _digest(f"{self._place.key}:{self._place.study_uid}")
        return self._root / self._place.parent / f"study-{digest}.incomplete"

    def put(self, series: SeriesFacts, name: str, size: int, write: Writer) -> None:
        folder = self.staging / _digest(series.series_uid)
        if folder not in self._known:
            folder.mkdir(parents=True, exist_ok=True)
            _write_durably(folder / FACTS, lambda f: f.write(json.dumps(asdict(series)).encode()))
            self._known.add(folder)
        path = folder / name
        with charged(self._space, size, path):
            _write_durably(path, write)
        self._files = None

    def digest(self, name: str, tail: int) -> str:
        if self._files is None:
            self._files = {path.name: path for base in self._bases() for path in _files(base)}
        path = self._files.get(name)
        return _tail_digest(path, tail) if path else ""

    def _bases(self) -> Iterator[Path]:
        """Where files of this study may lie; what is found in the last counts."""
        if self._place.final:
            yield self._root / self._place.final
        yield self.staging

    def sync(self) -> None:
        staging = self.staging
        for folder in [staging, *(p for p in staging.rglob("*") if p.is_dir())]:
            if folder.is_dir():
                _sync_folder(folder)

    def unfinished(self) -> str:
        staging = self.staging
        return str(staging.relative_to(self._root)) if staging.is_dir() else ""

    def complete(self, names: Mapping[str, str]) -> None:
        """Name the series and the study.

        Raises:
            PermanentDicomError: every name that the study may have is taken.
            TransientDicomError: the file system does not let it.
        """
        try:
            if self.staging.is_dir():
                self._arrange(names)
                self._place_study()
            elif self._place.final:
                _remove_facts(self._root / self._place.final)
        except OSError as err:
            raise in_words(self.name, err) from err
        self._files = None

    # Naming

    def _arrange(self, names: Mapping[str, str]) -> None:
        """Bring every file to the folder of its series, and drop what does not belong."""
        staging = self.staging
        for path in list(staging.rglob(f"*{_PARTIAL}")):
            path.unlink()
        self._take_over(names)
        homes = self._homes(names)
        series = {}
        for folder in [path.parent for path in staging.glob(f"*/{FACTS}")]:
            facts = SeriesFacts(**json.loads((folder / FACTS).read_bytes()))
            series[facts.series_uid] = facts
            # An earlier attempt may have given it a name that another series shares now.
            _merge(folder, staging / _digest(facts.series_uid))
        taken = {name.casefold() for name in homes.values()}
        for uid, name in series_names(list(series.values())).items():
            home = staging / _digest(uid)
            if uid in homes:
                name = homes[uid]
            elif name.casefold() in taken:
                name = f"{name}-{_digest(uid)}"
            if self._place.series_folders:
                # What was taken over lies under its name already.
                _merge(home, staging / name)
            else:
                for path in [path for path in home.iterdir() if path.name != FACTS]:
                    path.rename(staging / path.name)
        self._facts = min(series.values(), key=lambda facts: facts.series_uid, default=None)

    def _homes(self, names: Mapping[str, str]) -> dict[str, str]:
        """The folders of series that have got one, by Series Instance UID: what comes later belongs
        there, too."""
        return {
            names[path.name]: path.parent.name
            for path in sorted(_files(self.staging))
            if path.name in names
            and path.parent.parent == self.staging
            and not (path.parent / FACTS).exists()
        }

    def _take_over(self, names: Collection[str]) -> None:
        """The study was placed before and has grown since: what is there stays part of it."""
        old = self._root / self._place.final
        if not self._place.final or not old.is_dir():
            return
        staged = {path.name for path in _files(self.staging)}
        for path in [p for p in _files(old) if p.name in names and p.name not in staged]:
            target = self.staging / path.relative_to(old)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)

    def _candidates(self) -> Iterator[str]:
        """Names for the study; the one that it had comes first, for others may know it."""
        final = self._root / self._place.final
        if self._place.final and final.is_dir():
            yield final.name
        if (facts := self._facts) is not None:
            name = study_name(facts.study_date, facts.study_time, self._place.modalities)
            yield from study_names(name, self._place.study_uid)

    def _place_study(self) -> None:
        place, parent = self._place, self._root / self._place.parent
        for candidate in itertools.islice(self._candidates(), _MOST_NAMES):
            final = parent / candidate
            path = str(final.relative_to(self._root))
            if path != place.final and (final.exists() or not self._claim(path)):
                continue
            replaced = final.with_name(f"{candidate}.replaced")
            if final.exists():
                # Nobody else can have put it there: the place is claimed by this task.
                shutil.rmtree(replaced, ignore_errors=True)
                final.rename(replaced)
            try:
                self.staging.rename(final)
            except OSError as err:
                if err.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    continue
                raise
            _remove_facts(final)
            shutil.rmtree(replaced, ignore_errors=True)
            _sync_folder(parent)
            return
        raise PermanentDicomError(
            f"{self.name} has too many folders for this study already.",
            code="folder-exists",
            advice="Move the older folders away and retry.",
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _files(base: Path) -> Iterator[Path]:
    for path in base.rglob("*") if base.is_dir() else ():
        if path.name != FACTS and not path.name.endswith(_PARTIAL) and path.is_file():
            yield path


def _merge(folder: Path, target: Path) -> None:
    if folder == target:
        return
    if not target.exists():
        folder.rename(target)
        return
    for path in list(folder.iterdir()):
        path.replace(target / path.name)
    folder.rmdir()


def _remove_facts(final: Path) -> None:
    for facts in list(final.rglob(FACTS)):
        facts.unlink()
        with contextlib.suppress(OSError):
            # Of a series whose files lie in the folder of the study.
            facts.parent.rmdir()


def _write_durably(path: Path, write: Writer) -> None:
    partial = path.with_name(path.name + _PARTIAL)
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _tail_digest(path: Path, tail: int) -> str:
    """SHA-256 of the last `tail` bytes of a file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if length < tail:
                return ""
            file.seek(length - tail)
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

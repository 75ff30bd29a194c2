"""Assembles the archive of a job in a worker: a thread that works, and a heartbeat beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction

from adit.core.dicom import Canceled, CancelToken, DicomError, PermanentDicomError
from adit.core.jobs import archives
from adit.core.jobs.archives import ArchiveLease, State
from adit.core.jobs.database_threads import DatabaseThreads
from adit.core.jobs.database_time import database_now
from adit.core.jobs.leases import LeaseStatus
from adit.core.jobs.registry import get_kind
from adit.core.jobs.work_folder import work_folder
from adit.core.models import DicomFolder, JobArchive
from adit.core.transfer.archive.assembly import Assembled, Assembly, BadArchive
from adit.core.transfer.archive.contents import Contents
from adit.core.transfer.archive.parts import DamagedPart
from adit.core.transfer.archive.places import archive_path, parts_key, parts_root
from adit.core.transfer.quota import FolderSpace, folder_size
from adit.core.transfer.sink import in_words
from adit.core.words import counted

logger = logging.getLogger(__name__)

_database = DatabaseThreads(1, "archive")


async def run_archive(job_id: int, worker: str) -> None:
    """Assemble the archive of a job if it is due, and remove its parts if nobody needs them."""
    lease = await _database.call(archives.claim, job_id, worker)
    if lease is not None:
        cancel = CancelToken()
        working = asyncio.create_task(asyncio.to_thread(assemble, lease, cancel))
        try:
            await _watch(lease, cancel, working)
        except asyncio.CancelledError:
            cancel.cancel()
            await asyncio.wait({working})
            await asyncio.shield(_database.call(archives.hand_back, lease))
            raise
    await _database.call(tidy, job_id)


async def _watch(lease: ArchiveLease, cancel: CancelToken, working: asyncio.Task[None]) -> None:
    beat = min(settings.TASK_LEASE_SECONDS / 6, 2.0)
    while not working.done():
        await asyncio.wait({working}, timeout=beat)
        with contextlib.suppress(DatabaseError):
            if await _database.call(archives.renew, lease) is LeaseStatus.LOST:
                cancel.cancel()
    await working


def assemble(lease: ArchiveLease, cancel: CancelToken) -> None:
    """One attempt, from the parts to the end of the archive's state."""
    try:
        _assemble(lease, cancel)
    except Canceled:
        logger.info("The archive of job %s is not assembled here any more.", lease.job_id)
    except OSError as err:
        _conclude(lease, in_words(_folder_name(lease), err))
    except DicomError as err:
        _conclude(lease, err)
    except DamagedPart as err:
        text = f"The archive cannot be made: {err}. Let staff restart the job."
        archives.release(lease, State.FAILED, text)
    except BadArchive as err:
        archives.try_later(lease, f"The archive was no good: {err}.")
    except Exception as err:
        logger.exception("Unexpected error while an archive was assembled")
        archives.release(lease, State.FAILED, f"Unexpected error ({type(err).__name__}).")
    finally:
        connection.close()


def _conclude(lease: ArchiveLease, error: DicomError) -> None:
    if isinstance(error, PermanentDicomError):
        archives.release(lease, State.FAILED, str(error))
    else:
        archives.try_later(lease, str(error))


def _folder_name(lease: ArchiveLease) -> str:
    return JobArchive.objects.values_list("node__name", flat=True).get(job_id=lease.job_id)


def _assemble(lease: ArchiveLease, cancel: CancelToken) -> None:
    archive = JobArchive.objects.select_related("job").get(job_id=lease.job_id)
    folder = DicomFolder.objects.get(pk=archive.node_id)
    root, key = folder.root(), parts_key(archive)
    contents = Contents(parts_root(root, archive), key, series_folders=folder.series_folders)
    _remove_leftovers(root, archive)
    target = root / f"{archive.name}.{lease.token.hex}.incomplete"
    progress = _Progress(lease, cancel)
    space = FolderSpace(folder)
    root.mkdir(parents=True, exist_ok=True)
    with work_folder(lease.token) as work:
        assembly = Assembly(target, work / "manifest.json", archive.password, key, progress, space)
        try:
            tasks = get_kind(archive.job.kind).task_model.objects.filter(job_id=archive.job_id)  # type: ignore[attr-defined]
            number = assembly.write(
                archive.job_id,
                database_now(),
                tasks.order_by("line", "id").iterator(chunk_size=100),
                contents,
            )
            if not number:
                archives.release(lease, State.EMPTY, "Nothing was delivered.", files=0)
                return
            _finish(lease, target, archive_path(root, archive), assembly.prove())
        finally:
            if target.exists():
                target.unlink()
                assembly.refund()


def _finish(lease: ArchiveLease, target: Path, final: Path, made: Assembled) -> None:
    """Give the archive its name: under the lease, so that two hosts never do."""
    with transaction.atomic():
        if not archives.hold(lease):
            raise Canceled
        target.replace(final)
        archives.release(
            lease,
            State.DONE,
            f"{counted(made.files, 'file')}, whole and tested",
            files=made.files,
            files_done=made.files,
            size=made.size,
            sha256=made.sha256,
        )


def _remove_leftovers(root: Path, archive: JobArchive) -> None:
    """What a killed run has left; who still writes to it has lost the lease."""
    for path in root.glob(f"{archive.name}.*.incomplete"):
        path.unlink(missing_ok=True)


class _Progress:
    """Stops the assembly when it is canceled, and writes how far it is once a second."""

    def __init__(self, lease: ArchiveLease, cancel: CancelToken) -> None:
        self._lease = lease
        self._cancel = cancel
        self._last = 0.0

    def __call__(self, files: int) -> None:
        self._cancel.check()
        if time.monotonic() - self._last > 1.0:
            self._last = time.monotonic()
            archives.report(self._lease, files)


def tidy(job_id: int) -> None:
    """Remove the parts of an archive whose password is gone, then the key that opened them."""
    archive = JobArchive.objects.filter(job_id=job_id, password="").exclude(parts_key="").first()
    if archive is None or archive.state in JobArchive.OPEN:
        return
    folder = DicomFolder.objects.get(pk=archive.node_id)
    parts = parts_root(folder.root(), archive)
    if parts.is_dir():
        space, size = FolderSpace(folder), folder_size(parts)
        shutil.rmtree(parts)
        space.charge(-size)
    JobArchive.objects.filter(pk=archive.pk, password="").update(parts_key="")

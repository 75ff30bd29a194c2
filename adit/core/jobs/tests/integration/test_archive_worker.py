"""An archive made by real worker processes that are killed."""

import py7zr
import pytest

from adit.core.jobs.tests.integration.test_worker import (  # noqa: F401
    slow_source,
    start_worker,
    wait_for,
    work_dir,
)
from adit.core.models import DicomJob, DicomTask, JobArchive
from adit.core.transfer.tests.integration.conftest import *  # noqa: F403

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

PASSWORD = "correct horse battery staple"


def test_workers_killed_between_the_parts_still_make_one_whole_archive(
    slow_source,  # noqa: F811
    folder,
    make_task,
    start_worker,  # noqa: F811
    settings,
    monkeypatch,
):
    monkeypatch.setenv("MOUNT_DIR", str(settings.MOUNT_DIR))
    task = make_task(folder, source=slow_source, password=PASSWORD)
    first = start_worker()
    wait_for(lambda: list(folder.root().rglob("*.part")))
    first.kill()
    first.wait()
    assert DicomTask.objects.get(pk=task.pk).state == "IN_PROGRESS"
    start_worker()
    start_worker()
    job = wait_for(
        lambda: DicomJob.objects.filter(pk=task.job_id, state__in=DicomJob.ENDED).first(), 120
    )
    archive = JobArchive.objects.get(job_id=job.pk)
    assert (job.state, archive.state, archive.files) == ("SUCCESS", "DONE", 40), (
        DicomTask.objects.get(pk=task.pk).message
    )
    with py7zr.SevenZipFile(folder.root() / archive.name, password=PASSWORD) as file:
        names = [name for name in file.getnames() if name.endswith(".dcm")]
    assert len(names) == len(set(names)) == 40
    wait_for(lambda: [path.name for path in folder.root().iterdir()] == [archive.name])
    wait_for(lambda: not JobArchive.objects.get(job_id=job.pk).parts_key)
